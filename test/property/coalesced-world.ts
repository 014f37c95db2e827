import { expect } from 'vitest'
import { TransportError } from '../../src/base/errors.ts'
import type {
  CloseReason,
  Connection,
  ConnectionListener,
  HandshakeInfo,
} from '../../src/base/events/connection.ts'
import type { TransportEvent } from '../../src/base/events/observer.ts'
import type { ExchangeHandler, ExchangeRequest } from '../../src/base/http/exchange.ts'
import { type Origin, parseOrigin } from '../../src/base/http/origin.ts'
import { DEFAULT_POOL_OPTIONS, type PoolOptions } from '../../src/base/options/options.ts'
import {
  GuestConnection,
  type GuestHost,
  type GuestOptions,
} from '../../src/http/multiplex/guest-connection.ts'
import { Coalescing, type SharableConnection } from '../../src/origin/coalescing/coalescing.ts'
import type { Pool } from '../../src/pool/pool.ts'
import { type OwnPoolConfig, Pools } from '../../src/pool/pools.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'

const ENDPOINT = { address: '192.0.2.1', family: 4, port: 443, transport: 'tcp' } as const
const POLICY = { serverName: undefined, isVerified: true, trust: 'roots', settings: '{}' }
/** c.example is at the same address and on no certificate but its own. */
const NAMES = ['a.example', 'b.example', 'c.example', 'd.example'] as const
const COVERED: Readonly<Record<string, readonly string[]>> = {
  'a.example': ['a.example', 'b.example', 'd.example'],
  'b.example': ['b.example', 'a.example'],
  'c.example': ['c.example'],
  'd.example': ['d.example', 'a.example', 'b.example'],
}

interface OpenExchange {
  readonly wire: Wire
  readonly guest: GuestConnection | undefined
  readonly host: string
}

let lastId = 0

/** A connection without a network, which carries its owner's exchanges and those of guests. */
class Wire implements Connection, GuestHost, SharableConnection {
  readonly id: number
  readonly protocol = 'h2' as const
  readonly endpoint = ENDPOINT
  readonly keepAlive = undefined
  readonly isCapacityProvisional = false
  readonly handshake: HandshakeInfo
  capacity: number
  originSet: readonly string[] | undefined
  endedBy: CloseReason | undefined
  requestsTaken: number | undefined
  isClosed = false
  readonly owner: string
  readonly exchanges: OpenExchange[] = []
  readonly #listener: ConnectionListener
  readonly #guests = new Set<GuestConnection>()
  readonly #world: CoalescedWorld

  constructor(world: CoalescedWorld, owner: string, capacity: number, listener: ConnectionListener) {
    lastId += 1
    this.id = lastId
    this.owner = owner
    this.capacity = capacity
    this.#listener = listener
    this.#world = world
    this.originSet = undefined
    this.endedBy = undefined
    this.requestsTaken = undefined
    this.handshake = {
      kind: 'full',
      earlyData: 'none',
      tfo: 'off',
      tlsVersion: 'TLSv1.3',
      certificateNames: COVERED[owner] ?? [],
      timings: { dnsMs: 0, connectMs: 1, tlsMs: 1 },
      attempts: [],
    }
  }

  open(): void {
    this.#carry(undefined, this.owner)
  }

  openFor(guest: GuestConnection, request: ExchangeRequest, _handler: ExchangeHandler): void {
    const { authority } = request
    // The rules by themselves: whose request is on the wire.
    const { coalescing, clock, faults } = this.#world
    const isCovered = this.handshake.certificateNames?.includes(authority) === true
    const isNamed = this.originSet?.includes(`https://${authority}`) !== false
    const isAvoided = coalescing.avoidedMs(originOf(authority), clock.now()) > 0
    if (!isCovered || !isNamed || isAvoided) faults.push(`${authority} must not go over ${this.toString()}`)
    this.#carry(guest, authority)
  }

  #carry(guest: GuestConnection | undefined, host: string): void {
    if (this.isClosed || this.endedBy !== undefined)
      this.#world.faults.push(`${host} on ${this.toString()}, which ended`)
    if (this.exchanges.length >= this.capacity)
      this.#world.faults.push(`a stream too many on ${this.toString()}`)
    this.exchanges.push({ wire: this, guest, host })
  }

  finish(exchange: OpenExchange): void {
    this.exchanges.splice(this.exchanges.indexOf(exchange), 1)
    this.#free(exchange)
    if (this.endedBy !== undefined && this.exchanges.length === 0) this.close(this.endedBy)
  }

  #free({ guest }: OpenExchange): void {
    if (guest === undefined) this.#listener.onStreamClosed(this, false)
    else guest.onStreamClosed(false)
  }

  changeCapacity(capacity: number): void {
    this.capacity = capacity
    this.#listener.onCapacityChanged(this)
    for (const guest of this.#guests) guest.onCapacityChanged()
  }

  join(options: GuestOptions): GuestConnection | undefined {
    if (this.endedBy !== undefined) return undefined
    const guest = new GuestConnection(this, options)
    this.#guests.add(guest)
    return guest
  }

  forget(guest: GuestConnection): void {
    this.#guests.delete(guest)
  }

  endExchangesOf(guest: GuestConnection): void {
    for (const exchange of this.exchanges.filter(({ guest: whose }) => whose === guest)) this.finish(exchange)
  }

  dismissGuests(reason: CloseReason): void {
    for (const guest of this.#guests) guest.onDraining(reason)
  }

  ping(): Promise<void> {
    return this.isClosed ? Promise.reject(new TransportError('MM_PING_FAILED', 'closed')) : Promise.resolve()
  }

  goAway(): void {
    if (this.endedBy !== undefined) return
    this.endedBy = 'peer-closed'
    this.#listener.onDraining(this, 'peer-closed')
    this.dismissGuests('peer-closed')
    if (this.exchanges.length === 0) this.close('peer-closed')
  }

  drain(reason: CloseReason): void {
    if (this.isClosed) return
    this.endedBy ??= reason
    this.dismissGuests(reason)
    if (this.exchanges.length === 0) this.close(reason)
  }

  close(reason: CloseReason): void {
    if (this.isClosed) return
    this.isClosed = true
    this.endedBy ??= reason
    if (this.exchanges.length > 0) {
      this.#listener.onDraining(this, reason)
      this.dismissGuests(reason)
    }
    for (const exchange of this.exchanges.splice(0)) this.#free(exchange)
    this.#listener.onClosed(this, reason)
    for (const guest of this.#guests) guest.onClosed(reason, undefined)
    this.#world.wires.delete(this)
  }

  toString(): string {
    return `wire#${this.id} of ${this.owner}`
  }
}

interface Dial {
  readonly host: string
  readonly listener: ConnectionListener
  readonly resolve: (connection: Connection) => void
  readonly reject: (error: TransportError) => void
}

function originOf(host: string): Origin {
  return parseOrigin(`https://${host}`)
}

/** Pools of four origins at one address, whose connections are shared as Coalescing says. */
export class CoalescedWorld {
  readonly clock = new FakeClock()
  readonly coalescing = new Coalescing()
  readonly wires = new Set<Wire>()
  readonly dials: Dial[] = []
  readonly pools: Pools
  readonly #byHost = new Map<string, Pool>()
  readonly #options: PoolOptions
  readonly #totalLimit: number
  /** What must not be, found from within a call whose errors the pool contains. */
  readonly faults: string[] = []
  asked = 0
  served = 0
  failed = 0
  joined = 0

  constructor(options: Partial<PoolOptions>, totalLimit: number) {
    this.#options = { ...DEFAULT_POOL_OPTIONS, queueTimeoutMs: 0, ...options }
    this.#totalLimit = totalLimit
    const limits = {
      maxTotalConnections: totalLimit,
      maxStalledConnections: 0,
      maxOrigins: 0,
      dialShare: 0,
      maxPortShare: 0,
    }
    this.pools = new Pools(limits, () => {})
    for (const host of NAMES) this.#poolOf(host)
  }

  request(choice: number): void {
    const host = NAMES[choice % NAMES.length] ?? 'a.example'
    this.asked += 1
    const fail = () => void (this.failed += 1)
    this.#poolOf(host).acquire({
      onLease: connection => {
        this.served += 1
        connection.open({ authority: host } as ExchangeRequest, {} as ExchangeHandler) // all that a wire reads
      },
      onLeaseFailed: fail,
    })
  }

  finish(choice: number): void {
    const open = [...this.wires].flatMap(({ exchanges }) => exchanges)
    const exchange = open[choice % open.length]
    exchange?.wire.finish(exchange)
  }

  answerDial(choice: number, capacity: number | undefined): void {
    const [dial] = this.dials.splice(choice % Math.max(1, this.dials.length), 1)
    if (dial === undefined) return
    if (capacity === undefined) {
      dial.reject(new TransportError('MM_CONNECT_REFUSED', 'refused'))
      return
    }
    const wire = new Wire(this, dial.host, capacity, dial.listener)
    this.wires.add(wire)
    dial.resolve(wire)
  }

  wire(choice: number): Wire | undefined {
    const open = [...this.wires].filter(({ endedBy }) => endedBy === undefined)
    return open[choice % Math.max(1, open.length)]
  }

  /** An ORIGIN frame that names the owner and some others. */
  narrow(choice: number): void {
    const wire = this.wire(choice)
    if (wire === undefined) return
    const named = NAMES.filter((name, index) => name === wire.owner || ((choice >> index) & 1) === 1)
    wire.originSet = [...new Set([...(wire.originSet ?? []), ...named.map(name => `https://${name}`)])]
    this.coalescing.onOrigins(wire, this.clock.now())
  }

  misdirect(choice: number): void {
    const host = NAMES[choice % NAMES.length] ?? 'a.example'
    this.coalescing.onMisdirected(originOf(host), this.clock.now())
    const pool = this.#poolOf(host)
    for (const connection of pool.connections())
      if (connection.sharedBy !== undefined) pool.retire(connection, 'misdirected')
  }

  /** A reload without it: the next request makes it anew. */
  remove(choice: number): void {
    const host = NAMES[choice % NAMES.length] ?? 'a.example'
    this.#byHost.delete(host)
    void this.pools.remove(`https://${host}`)
  }

  evict(choice: number): void {
    this.#poolOf(NAMES[choice % NAMES.length] ?? 'a.example').evictIdle()
  }

  check(): void {
    expect(this.faults).toEqual([])
    this.pools.assertConsistent()
    const starting = this.dials.length
    expect(this.pools.totalConnections).toBeGreaterThanOrEqual(this.wires.size)
    if (this.#totalLimit > 0) expect(this.wires.size + starting).toBeLessThanOrEqual(this.#totalLimit)
  }

  /** Lets everything that is under way go well until nobody waits. */
  async settle(): Promise<void> {
    for (let round = 0; this.served + this.failed < this.asked; round += 1) {
      expect(round, `${this.asked - this.served - this.failed} wait for ever`).toBeLessThan(2_000)
      this.answerDial(0, 3)
      await settled()
      for (const wire of this.wires) if (wire.capacity === 0) wire.changeCapacity(2)
      this.finish(round)
      await settled()
      this.clock.advance(20)
      this.check()
    }
  }

  async close(): Promise<void> {
    const over = this.pools.close(new TransportError('MM_TRANSPORT_CLOSED', 'over'))
    for (const { reject } of this.dials.splice(0)) reject(new TransportError('MM_ABORTED', 'over'))
    await over
    expect([this.wires.size, this.pools.totalConnections]).toEqual([0, 0])
  }

  #poolOf(host: string): Pool {
    const known = this.#byHost.get(host)
    if (known !== undefined) return known
    const origin = originOf(host)
    const pool: Pool = this.pools.add(origin, {
      connector: { connect: (listener, signal) => this.#connect(origin, listener, signal, () => pool) },
      clock: this.clock,
      random: () => 0.5,
      options: this.#options,
      observer: event => this.#observe(event, origin, () => pool),
      expectedCapacity: undefined,
    } satisfies OwnPoolConfig)
    this.#byHost.set(host, pool)
    return pool
  }

  async #connect(
    origin: Origin,
    listener: ConnectionListener,
    signal: AbortSignal,
    pool: () => Pool,
  ): Promise<Connection> {
    await Promise.resolve() // the resolver
    const found = this.coalescing.join(
      {
        origin,
        protocol: 'h2',
        endpoints: [ENDPOINT],
        policy: POLICY,
        mayCoalesce: true,
        listener,
        dnsMs: 0,
        altUsed: undefined,
        retire: guest => pool().retire(guest, 'misdirected'),
      },
      this.clock.now(),
    )
    if (found?.kind === 'joined') return found.guest
    return new Promise((resolve, reject) => {
      const dial: Dial = { host: origin.host, listener, resolve, reject }
      const stop = (): void => {
        const at = this.dials.indexOf(dial)
        if (at >= 0) this.dials.splice(at, 1)
        reject(new TransportError('MM_ABORTED', 'stopped'))
      }
      if (signal.aborted) return stop()
      this.dials.push(dial)
      signal.addEventListener('abort', stop)
    })
  }

  #observe(event: TransportEvent, owner: Origin, pool: () => Pool): void {
    if (event.type === 'connection-joined') this.joined += 1
    if (!('connection' in event) || !(event.connection instanceof Wire)) return
    const { connection } = event
    if (event.type === 'connection-draining' || event.type === 'connection-closed')
      this.coalescing.withdraw(connection)
    if (event.type !== 'connection-opened') return
    this.coalescing.offer({
      owner,
      connection,
      policy: POLICY,
      mayCoalesce: true,
      vouchedNames: [],
      lend: () => pool().lend(connection),
      quic: undefined,
      readPath: () => undefined,
    })
  }
}

/** Everything that promises have under way has happened. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 12; turn += 1) await Promise.resolve()
}
