import { type Endpoint, formatEndpoint, type ResolvedAddress } from '../base/http/endpoint.ts'
import type { Protocol } from '../base/http/protocol.ts'
import { age, endpointKey, type OriginRecord } from './record/origin-record.ts'

export interface PlanInput {
  readonly record: OriginRecord
  /** What each attempt offers, best first: `h3` alone, or what goes over TCP. */
  readonly offered: readonly Protocol[]
  /** In order of preference. */
  readonly addresses: readonly ResolvedAddress[]
  /** For addresses without one of their own. */
  readonly port: number
  /** RFC 8305 section 5. */
  readonly attemptDelayMs: number
}

/** Connect to this endpoint, this long after the first one at the latest; sooner when one before it fails. */
export interface PlannedAttempt {
  readonly protocol: Protocol
  readonly endpoint: Endpoint
  readonly startAfterMs: number
  readonly because: string
}

/** For this long an address that failed, or was overtaken, stands behind those that did not. */
const DEMOTION_MS = 60_000

/**
 * The attempts of one connect over one lane, in order, and why. (Which lanes are asked, and when, says
 * lane-plan.ts.) The rules:
 *
 * 1. Over TCP there is one attempt per address, whatever number of protocols it offers: ALPN settles them on
 *    one connection. The attempt bears the protocol that was negotiated last, or else the most preferred one.
 * 2. Addresses keep their order, but those that failed or were overtaken within the last minute come last: a
 *    dead address costs its delay once a minute, not once per connection (RFC 8305 section 4 lets history
 *    into the order).
 * 3. Each attempt starts `attemptDelayMs` after the one before it.
 */
export function plan(input: PlanInput, now: number): readonly PlannedAttempt[] {
  const { offered, record } = input
  record.onTime(now)
  const known = record.protocol?.value
  const protocol = known !== undefined && offered.includes(known) ? known : offered[0] // 1
  if (protocol === undefined) return []
  const transport = protocol === 'h3' ? 'udp' : 'tcp'
  const candidates = input.addresses.map(({ address, family, port = input.port }) => {
    const endpoint: Endpoint = { address, family, port, transport }
    return { endpoint, fault: recentFault(record, endpoint, now) }
  })
  const ordered = [
    ...candidates.filter(({ fault }) => fault === undefined),
    ...candidates.filter(({ fault }) => fault !== undefined), // 2
  ]
  return ordered.map(({ endpoint, fault }, index) => {
    const startAfterMs = index * input.attemptDelayMs // 3
    const place =
      index === 0 ? `first of ${ordered.length}` : `if no other is connected after ${startAfterMs} ms`
    const because = fault === undefined ? place : `${place}; ${fault}`
    return { protocol, endpoint, startAfterMs, because }
  })
}

function recentFault(record: OriginRecord, endpoint: Endpoint, now: number): string | undefined {
  const memory = record.endpoint(endpointKey(formatEndpoint(endpoint), endpoint.transport === 'udp'))
  if (memory === undefined || memory.outcome === 'connected' || now - memory.at >= DEMOTION_MS)
    return undefined
  return memory.outcome === 'failed' ? `failed ${age(now - memory.at)}` : `overtaken ${age(now - memory.at)}`
}

interface ProtocolChoice {
  /** By configuration, best first. */
  readonly allowed: readonly Protocol[]
  /** With TLS the origin chooses by ALPN. */
  readonly isSecure: boolean
  /** What the origin spoke last. */
  readonly known: Protocol | undefined
}

/**
 * What a connection over TCP offers, best first. Empty when nothing is left.
 *
 * 1. With TLS: whatever is allowed. One dial, and ALPN settles it (RFC 7301).
 * 2. In cleartext there is nothing to settle it by (RFC 9113 3.1 took `Upgrade: h2c` away), so that there is
 *    one choice: what the origin is known to speak; else HTTP/1.1; else, where that is not allowed, HTTP/2 by
 *    prior knowledge (RFC 9113 3.3).
 */
export function offeredProtocols({ allowed, isSecure, known }: ProtocolChoice): readonly Protocol[] {
  const usable: readonly Protocol[] = allowed.filter(protocol => protocol !== 'h3') // not over TCP
  if (isSecure) return usable // 1
  if (known !== undefined && usable.includes(known)) return [known] // 2
  return usable.includes('http/1.1') ? ['http/1.1'] : usable.slice(0, 1)
}
