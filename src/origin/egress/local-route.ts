import type { Clock } from '../../base/clock.ts'
import { TransportError } from '../../base/errors.ts'
import { type Endpoint, formatEndpoint, type ResolvedAddress } from '../../base/http/endpoint.ts'
import { drawAddress, isPrefix, type LocalRange } from '../../base/options/local-range.ts'
import {
  type Departure,
  type Departures,
  type LocalFault,
  noPortError,
} from '../../connect/local/departure.ts'
import type { PortBudget } from '../../connect/local/port-budget.ts'
import type { LocalAddress } from '../../connect/native/descriptor-socket.ts'
import { type LoadedSocketCalls, socketCalls } from '../../connect/native/socket-calls.ts'
import type { KnownFact } from '../../select/evidence/evidence.ts'
import { EgressCounts, type EgressFigures } from './egress-counts.ts'
import { EgressRotation } from './egress-rotation.ts'
import type { AddressEgress } from './egress-settings.ts'

export interface LocalRouteParts {
  readonly egress: AddressEgress
  readonly ports: PortBudget
  readonly clock: Clock
  readonly random: () => number
  /** Default: those of this machine. */
  readonly loadCalls?: () => LoadedSocketCalls
}

/** The ranges of one family, of which each window has one. */
interface Family {
  readonly family: 4 | 6
  /** Indexes into the addresses of the egress. */
  readonly members: readonly number[]
  readonly rotation: EgressRotation
  /** What was drawn from the prefix at that index, and in which window of the rotation. */
  readonly drawn: Map<number, { readonly window: number; readonly address: string }>
}

/**
 * From which local addresses one origin is reached. Each family has a rotation of its own; an address whose
 * ports are used up is passed over, and one that is gone is left alone for a while.
 */
export class LocalRoute implements Departures {
  readonly #parts: LocalRouteParts
  readonly #families: readonly Family[]
  readonly #counts: EgressCounts
  readonly #loadCalls: () => LoadedSocketCalls
  /** Families of the origin that there was no address for, when it was looked up last. */
  #leftOut: readonly (4 | 6)[] = []
  /** Of each family: what the last connection left from. */
  readonly #last = new Map<4 | 6, string>()
  #changes = 0

  constructor(parts: LocalRouteParts) {
    this.#parts = parts
    this.#loadCalls = parts.loadCalls ?? socketCalls
    const { addresses, stickyMs } = parts.egress
    this.#counts = new EgressCounts(addresses.map(({ name }) => name))
    this.#families = ([4, 6] as const).flatMap(family => {
      const members = addresses.flatMap((range, member) => (range.family === family ? [member] : []))
      const rotation = new EgressRotation({ count: members.length, stickyMs })
      return members.length === 0 ? [] : [{ family, members, rotation, drawn: new Map() }]
    })
  }

  /** `from 192.0.2.7 of egress bulk`, as far as it is known what the next connect will leave from. */
  describe({ family }: Endpoint): string {
    const { egress, clock } = this.#parts
    const known = this.#families.find(one => one.family === family)
    const current = known?.rotation.current(clock.now())
    const range = known && current && this.#rangeAt(known, current.index)
    return `from ${range === undefined ? 'an address' : range.name} of egress ${egress.name}`
  }

  /**
   * Those that a connection can go to from here. Throws MM_LOCAL_ADDRESS where there are addresses and none
   * is left.
   */
  fitting<T extends ResolvedAddress>(host: string, addresses: readonly T[]): readonly T[] {
    const families = new Set(this.#families.map(({ family }) => family))
    const fitting = addresses.filter(({ family }) => families.has(family))
    this.#leftOut = ([4, 6] as const).filter(
      one => !families.has(one) && addresses.some(({ family }) => family === one),
    )
    if (fitting.length > 0 || addresses.length === 0) return fitting
    const [wanted] = this.#leftOut
    const message = `${host} has IPv${wanted} addresses only, and egress ${this.#parts.egress.name} has none to leave from`
    throw new TransportError('MM_LOCAL_ADDRESS', message)
  }

  /** Connections that left from another address than the one before. */
  get changes(): number {
    return this.#changes
  }

  next({ family }: Endpoint): Pick<Departure, 'local' | 'place'> {
    const { clock, random } = this.#parts
    const known = this.#families.find(one => one.family === family)
    const [index] = known?.rotation.order(clock.now(), random) ?? []
    if (known === undefined || index === undefined) return { local: undefined, place: undefined }
    return this.#startAt(known, index)
  }

  leave(endpoint: Endpoint): Departure | TransportError {
    const { egress, clock, random } = this.#parts
    const known = this.#families.find(({ family }) => family === endpoint.family)
    if (known === undefined) {
      const message = `${formatEndpoint(endpoint)} egress ${egress.name} has no IPv${endpoint.family} address to leave from`
      return new TransportError('MM_LOCAL_ADDRESS', message)
    }
    let refusal: TransportError | undefined
    for (const index of known.rotation.order(clock.now(), random)) {
      const departure = this.#leaveFrom(known, index, endpoint)
      if (!(departure instanceof TransportError)) return departure
      refusal ??= departure
    }
    return refusal ?? new TransportError('MM_INTERNAL', `egress ${egress.name} has no addresses`)
  }

  /** For `explain`. */
  facts(now: number): KnownFact[] {
    const { name } = this.#parts.egress
    return [
      ...this.#families.flatMap(({ family, members, rotation, drawn }) => {
        const current = rotation.current(now)
        const range = current && this.#rangeAt({ members }, current.index)
        if (current === undefined || range === undefined)
          return [
            {
              fact: `IPv${family} connections leave through egress ${name}`,
              evidence: `${members.length} addresses, none chosen yet`,
            },
          ]
        const address = drawn.get(current.index)?.address ?? range.name
        const until = Number.isFinite(current.leftMs)
          ? `for ${Math.round(current.leftMs / 1000)} s more, or until it fails`
          : 'until it fails'
        return [{ fact: `IPv${family} connections leave from ${address} (egress ${name})`, evidence: until }]
      }),
      ...this.#leftOut.map(family => ({
        fact: `the IPv${family} addresses of the origin are left out`,
        evidence: `egress ${name} has no IPv${family} address to leave from`,
      })),
      ...this.#families.flatMap(({ members, rotation }) =>
        members.flatMap((member, index) => {
          const backoff = rotation.backoff(index, now)
          if (backoff === undefined) return []
          const evidence = `failed ${backoff.failures} times, is left alone for ${Math.round(backoff.leftMs / 1000)} s more`
          return [{ fact: `${this.#parts.egress.addresses[member]?.name} fails`, evidence }]
        }),
      ),
    ]
  }

  /** What this machine lacks for it. */
  get unavailable(): readonly { readonly feature: string; readonly because: string }[] {
    const loaded = this.#loadCalls()
    if ('calls' in loaded) return []
    const { name, addresses } = this.#parts.egress
    const { unavailable: because } = loaded
    const ports = { feature: `egress.${name}: ports for each destination of an address`, because }
    const prefix = {
      feature: `egress.${name}: addresses of a prefix that this machine does not have`,
      because,
    }
    return addresses.some(isPrefix) ? [ports, prefix] : [ports]
  }

  figures(now: number): EgressFigures {
    const { name, addresses } = this.#parts.egress
    const members = this.#families.flatMap(({ members, rotation }) =>
      this.#counts.figures(rotation, now, members),
    )
    const places = new Map(addresses.map((range, index) => [range.name, index]))
    members.sort((a, b) => (places.get(a.name) ?? 0) - (places.get(b.name) ?? 0))
    return { name, kind: 'addresses', members }
  }

  #leaveFrom(known: Family, index: number, endpoint: Endpoint): Departure | TransportError {
    const { ports, clock, random } = this.#parts
    const { local, place } = this.#startAt(known, index)
    const { address } = local
    const member = known.members[index] ?? 0
    const { transport } = endpoint
    // Without IP_BIND_ADDRESS_NO_PORT, and over UDP, bind(2) takes a port from all destinations.
    const isPerRemote = transport === 'tcp' && 'calls' in this.#loadCalls()
    const remote = isPerRemote ? formatEndpoint(endpoint) : ''
    const port = ports.take({ transport, local: address, remote }, clock.now())
    if (port instanceof TransportError) {
      this.#counts.onFailed(member, port.code)
      return port
    }
    return {
      local,
      place,
      port,
      onConnected: () => {
        known.rotation.onConnected(index, clock.now(), random)
        this.#counts.onOpened(member)
        const last = this.#last.get(known.family)
        if (last !== undefined && last !== address) this.#changes += 1
        this.#last.set(known.family, address)
      },
      onFailed: fault => {
        const error = this.#failureOf(fault, endpoint, local)
        this.#counts.onFailed(member, error.code)
        known.rotation.onFailed(index, clock.now(), random)
        known.drawn.delete(index)
        if (fault === 'no-port') port.onRefused(clock.now())
        return { error, mayLeaveAgain: known.members.length > 1 || local.isFree }
      },
    }
  }

  #failureOf(fault: LocalFault, endpoint: Endpoint, { address, isFree }: LocalAddress): TransportError {
    const { name } = this.#parts.egress
    const from = `from ${address} (egress ${name})`
    if (fault === 'no-port') return noPortError(endpoint, from)
    const loaded = this.#loadCalls()
    const how =
      isFree && 'unavailable' in loaded
        ? `; for addresses of a prefix set net.ipv${endpoint.family}.ip_nonlocal_bind, since IP_FREEBIND cannot be set: ${loaded.unavailable}`
        : ''
    const message = `${formatEndpoint(endpoint)} cannot be reached ${from}: this machine does not have that address${how}`
    return new TransportError('MM_LOCAL_ADDRESS', message)
  }

  /** Of a prefix: an address for each window. */
  #startAt(known: Family, index: number): { readonly local: LocalAddress; readonly place: string } {
    const { rotation, drawn } = known
    const range = this.#rangeAt(known, index)
    let { address } = range
    if (isPrefix(range)) {
      const last = drawn.get(index)
      address = last?.window === rotation.window ? last.address : drawAddress(range, this.#parts.random)
      drawn.set(index, { window: rotation.window, address })
    }
    const place = JSON.stringify([this.#parts.egress.name, address])
    return { local: { address, isFree: isPrefix(range) }, place }
  }

  #rangeAt({ members }: Pick<Family, 'members'>, index: number): LocalRange {
    const range = this.#parts.egress.addresses[members[index] ?? -1]
    if (range === undefined) throw new TransportError('MM_INTERNAL', `no local address has number ${index}`)
    return range
  }
}
