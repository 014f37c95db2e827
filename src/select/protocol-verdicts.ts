import type { Protocol } from '../base/http/protocol.ts'
import { offeredProtocols } from './plan.ts'
import type { OriginRecord } from './record/origin-record.ts'

export interface VerdictInput {
  readonly record: OriginRecord
  /** By configuration, best first. */
  readonly allowed: readonly Protocol[]
  /** Why this machine cannot speak HTTP/3. Undefined: it can. */
  readonly http3Fault?: string | undefined
  /** The origin is reached by TLS, so that ALPN settles the protocol. */
  readonly isSecure: boolean
}

/** Whether a protocol may carry requests to the origin now, and why. */
export interface ProtocolVerdict {
  readonly protocol: Protocol
  readonly isTried: boolean
  readonly because: string
}

const PROTOCOLS: readonly Protocol[] = ['h3', 'h2', 'http/1.1']

/** Every protocol that is known to us, with the reason why it is tried or not. */
export function protocolVerdicts(input: VerdictInput, now: number): readonly ProtocolVerdict[] {
  const { allowed, isSecure, record, http3Fault } = input
  const offered = offeredProtocols({ allowed, isSecure, known: record.protocol?.value })
  return PROTOCOLS.map(protocol => {
    if (!allowed.includes(protocol)) return no(protocol, 'not allowed by the configuration')
    if (protocol === 'h3') return http3Fault === undefined ? judgeHttp3(input, now) : no(protocol, http3Fault)
    const place = offered.indexOf(protocol)
    if (place === -1) {
      return no(protocol, 'cleartext has no ALPN: spoken there only when it is the only one that is allowed')
    }
    return { protocol, isTried: true, because: whyOffered(protocol, input, place, offered.length) }
  })
}

function judgeHttp3({ record, isSecure, allowed }: VerdictInput, now: number): ProtocolVerdict {
  if (!isSecure) return no('h3', 'QUIC has no cleartext: HTTP/3 needs an https origin')
  if (allowed.length === 1) return { protocol: 'h3', isTried: true, because: 'the only one that is allowed' }
  const { alternative, because } = record.http3(now)
  return { protocol: 'h3', isTried: alternative !== undefined, because }
}

function no(protocol: Protocol, because: string): ProtocolVerdict {
  return { protocol, isTried: false, because }
}

function whyOffered(protocol: Protocol, input: VerdictInput, place: number, count: number): string {
  const known = input.record.protocol
  if (known?.value === protocol) return `negotiated last time (${known.source})`
  if (!input.isSecure) {
    if (protocol === 'h2') return 'the only one that is allowed: spoken by prior knowledge'
    return 'cleartext has no ALPN: the one that every origin speaks'
  }
  if (count === 1) return 'the only one that is allowed: the origin must agree to it by ALPN'
  return `choice ${place + 1} of ${count} that are offered by ALPN; the origin takes one`
}
