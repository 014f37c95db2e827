import { type Endpoint, formatEndpoint, type ResolvedAddress } from '../endpoint.ts'
import type { Protocol } from '../protocol.ts'
import { offeredProtocols } from './offered-protocols.ts'
import { age, endpointKey, type OriginRecord } from './origin-record.ts'

export interface PlanInput {
  readonly record: OriginRecord
  /** By configuration, best first. */
  readonly allowed: readonly Protocol[]
  /** What this build can speak. */
  readonly built: readonly Protocol[]
  /** Why this machine cannot speak HTTP/3, when it is not in `built`. */
  readonly http3Fault?: string | undefined
  /** The origin is reached by TLS, so that ALPN settles the protocol. */
  readonly isSecure: boolean
  /** In order of preference. */
  readonly addresses: readonly ResolvedAddress[]
  /** The origin's, for addresses without one of their own. */
  readonly port: number
  /** RFC 8305 section 5. */
  readonly attemptDelayMs: number
}

/** Connect to this endpoint, this long after the first one at the latest; sooner when one before it fails. */
interface PlannedAttempt {
  readonly protocol: Protocol
  readonly endpoint: Endpoint
  readonly startAfterMs: number
  readonly because: string
}

export interface Plan {
  /** In order. Empty when no protocol is left. */
  readonly attempts: readonly PlannedAttempt[]
  /** What each attempt offers, best first; cleartext speaks the only one. */
  readonly offered: readonly Protocol[]
  /** Every protocol that is known to us, with the reason why it is tried or not. */
  readonly protocols: readonly {
    readonly protocol: Protocol
    readonly isTried: boolean
    readonly because: string
  }[]
}

const PROTOCOLS: readonly Protocol[] = ['h3', 'h2', 'http/1.1']

/** For this long an address that failed, or was overtaken, stands behind those that did not. */
const DEMOTION_MS = 60_000

/**
 * What is tried, in which order, and why. The rules:
 *
 * 1. A protocol is tried when the configuration allows it and this version has it; in cleartext only one is (offered-protocols.ts).
 * 2. Over TCP there is one attempt per address, whatever number of protocols it offers: ALPN settles them on one connection. The attempt
 *    bears the protocol that was negotiated last, or else the most preferred one.
 * 3. Addresses keep their order, but those that failed or were overtaken within the last minute come last: a dead address costs
 *    its delay once a minute, not once per connection (RFC 8305 section 4 lets history into the order).
 * 4. Each attempt starts `attemptDelayMs` after the one before it.
 * 5. HTTP/3 (UDP) is tried where nothing else is allowed. Beside others it needs evidence that the origin speaks it, of which there is no
 *    source yet: a dial into a black hole costs seconds.
 */
export function plan(input: PlanInput, now: number): Plan {
  const { allowed, built, isSecure, record } = input
  const known = record.protocol
  const isHttp3 = speaksHttp3(input) // 5
  const offered: readonly Protocol[] = isHttp3
    ? ['h3']
    : offeredProtocols({ allowed, built, isSecure, known: known?.value }) // 1
  const protocols = PROTOCOLS.map(protocol => judge(protocol, input, offered))
  const wasNegotiated = known !== undefined && offered.includes(known.value)
  const protocol = wasNegotiated ? known.value : offered[0] // 2
  if (protocol === undefined) return { attempts: [], offered, protocols }

  const candidates = input.addresses.map(({ address, family, port = input.port }) => {
    const endpoint: Endpoint = { address, family, port, transport: isHttp3 ? 'udp' : 'tcp' }
    return { endpoint, fault: recentFault(input.record, endpoint, now) }
  })
  const ordered = [
    ...candidates.filter(({ fault }) => fault === undefined),
    ...candidates.filter(({ fault }) => fault !== undefined), // 3
  ]
  const attempts = ordered.map(({ endpoint, fault }, index) => {
    const startAfterMs = index * input.attemptDelayMs // 4
    const place =
      index === 0 ? `first of ${ordered.length}` : `if no other is connected after ${startAfterMs} ms`
    const because = fault === undefined ? place : `${place}; ${fault}`
    return { protocol, endpoint, startAfterMs, because }
  })
  return { attempts, offered, protocols }
}

function speaksHttp3({ allowed, built, isSecure }: PlanInput): boolean {
  return isSecure && built.includes('h3') && allowed.every(protocol => protocol === 'h3')
}

function judge(
  protocol: Protocol,
  input: PlanInput,
  offered: readonly Protocol[],
): Plan['protocols'][number] {
  if (!input.allowed.includes(protocol)) {
    return { protocol, isTried: false, because: 'not allowed by the configuration' }
  }
  if (!input.built.includes(protocol)) {
    const fault = protocol === 'h3' ? input.http3Fault : undefined
    return { protocol, isTried: false, because: fault ?? 'not built in this version' }
  }
  if (protocol === 'h3' && !offered.includes('h3')) {
    const because = input.isSecure
      ? 'no evidence yet that the origin speaks it; without, it is tried only where it is the only one that is allowed'
      : 'QUIC has no cleartext: HTTP/3 needs an https origin'
    return { protocol, isTried: false, because }
  }
  const place = offered.indexOf(protocol)
  if (place === -1) {
    return {
      protocol,
      isTried: false,
      because: 'cleartext has no ALPN: spoken there only when it is the only one that is allowed',
    }
  }
  return { protocol, isTried: true, because: whyOffered(protocol, input, place, offered.length) }
}

function whyOffered(protocol: Protocol, input: PlanInput, place: number, count: number): string {
  const known = input.record.protocol
  if (known?.value === protocol) return `negotiated last time (${known.source})`
  if (!input.isSecure) {
    if (protocol === 'h2') return 'the only one that is allowed: spoken by prior knowledge'
    return 'cleartext has no ALPN: the one that every origin speaks'
  }
  if (count === 1) return 'the only one that is allowed: the origin must agree to it by ALPN'
  return `choice ${place + 1} of ${count} that are offered by ALPN; the origin takes one`
}

function recentFault(record: OriginRecord, endpoint: Endpoint, now: number): string | undefined {
  const memory = record.endpoint(endpointKey(formatEndpoint(endpoint), endpoint.transport === 'udp'))
  if (memory === undefined || memory.outcome === 'connected' || now - memory.at >= DEMOTION_MS)
    return undefined
  return memory.outcome === 'failed' ? `failed ${age(now - memory.at)}` : `overtaken ${age(now - memory.at)}`
}
