import type { Http3StatusName } from '../../base/events/observer.ts'
import type { SelectOptions } from '../../base/options/select-options.ts'
import type { LaneCandidate } from '../../select/choice/lane-snapshot.ts'
import { alternativeKey } from '../../select/evidence/alternative-sets.ts'
import { joinDelay } from '../../select/lane-plan.ts'
import type { OriginRecord } from '../../select/record/origin-record.ts'
import { carriesTcpOnly } from '../egress/egress-settings.ts'
import type { OriginSettings } from '../origin-settings.ts'

interface CandidatesInput {
  readonly record: OriginRecord
  readonly settings: OriginSettings
  /** Several requests were under way at once. */
  readonly hasConcurrency: boolean
  /** Why this machine speaks no HTTP/3. Loads the engine: asked only where an origin is known to speak it. */
  readonly http3Fault: () => string | undefined
  readonly now: number
}

interface Candidates {
  readonly candidates: readonly LaneCandidate[]
  /** Undefined: nobody knows of an alternative. */
  readonly http3: { readonly key: string; readonly name: Http3StatusName } | undefined
  /**
   * HTTP/3 is worth a handshake in the background: advertised and never tried, or its time to be left alone
   * is over.
   */
  readonly mayVerifyHttp3: boolean
}

/**
 * Which lanes of an origin that is reached over TCP may carry requests, and why. The order is that of
 * LANE_NAMES.
 */
export function laneCandidates(input: CandidatesInput): Candidates {
  const { record, settings, now } = input
  const { alternative, status, because } = record.http3(now)
  const key = alternative === undefined ? undefined : alternativeKey(alternative)
  const http3 = key === undefined || status === undefined ? undefined : { key, name: status }
  const isAsked = alternative !== undefined || carriesTcpOnly(settings)
  const fault = isAsked ? http3Obstacle(input) : undefined
  const isHttp3Eligible = alternative !== undefined && fault === undefined && status !== 'broken'
  const tcp = record.tcpProtocol?.value
  return {
    candidates: [
      { lane: 'h3', protocol: 'h3', isEligible: isHttp3Eligible, because: fault ?? because },
      {
        lane: 'tcp',
        protocol: tcp ?? settings.protocols.find(protocol => protocol !== 'h3') ?? 'http/1.1',
        isEligible: true,
        because: tcp === undefined ? 'every origin is reached over TCP' : `the origin chose ${tcp} by ALPN`,
      },
      spread(input),
      http1(input),
    ],
    http3,
    mayVerifyHttp3:
      isHttp3Eligible &&
      key !== undefined &&
      (status === 'pending' || (status === 'failedRecently' && record.http3Status(key).mayTry(now))),
  }
}

function http3Obstacle({ settings, http3Fault }: CandidatesInput): string | undefined {
  return settings.protocols.includes('h3') ? http3Fault() : 'not allowed by the configuration'
}

function spread({ record, settings, hasConcurrency }: CandidatesInput): LaneCandidate {
  const { spreadConnections } = settings.select
  const lane = { lane: 'h2-spread', protocol: 'h2' } as const
  if (record.tcpProtocol === undefined)
    return { ...lane, isEligible: false, because: 'unknown whether the origin speaks h2: nobody has looked' }
  if (record.tcpProtocol.value !== 'h2')
    return { ...lane, isEligible: false, because: 'the origin speaks no h2' }
  if (settings.pool.maxConnections === 1)
    return { ...lane, isEligible: false, because: 'pool.maxConnections is 1' }
  if (spreadConnections < 2) return { ...lane, isEligible: false, because: 'select.spreadConnections is 1' }
  if (!hasConcurrency) return { ...lane, isEligible: false, because: 'there was one request at a time only' }
  return { ...lane, isEligible: true, because: `h2 over up to ${spreadConnections} connections` }
}

function http1({ record, settings, hasConcurrency }: CandidatesInput): LaneCandidate {
  const lane = { lane: 'http/1.1', protocol: 'http/1.1' } as const
  if (!settings.protocols.includes('http/1.1'))
    return { ...lane, isEligible: false, because: 'not allowed by the configuration' }
  if (record.tcpProtocol === undefined)
    return { ...lane, isEligible: false, because: 'unknown what TCP speaks: nobody has looked' }
  if (record.tcpProtocol.value !== 'h2')
    return { ...lane, isEligible: false, because: 'it would be no other than TCP' }
  if (settings.pool.maxConnections === 1)
    return { ...lane, isEligible: false, because: 'pool.maxConnections is 1' }
  if (!hasConcurrency) return { ...lane, isEligible: false, because: 'there was one request at a time only' }
  return { ...lane, isEligible: true, because: 'a connection for each request' }
}

/**
 * A peer that thinks acknowledges a request after up to 25 ms (max_ack_delay, RFC 9000 18.2), by a timer that
 * may be late.
 */
const ACK_DELAY_MS = 35

/** What the plan of a race looks at. Undefined: not measured yet. */
interface RaceFigures {
  readonly http3HandshakeMs: number | undefined
  readonly tcpHandshakeMs: number | undefined
  readonly http3RoundTripMs: number | undefined
}

export function raceFigures(record: OriginRecord): RaceFigures {
  const connectMs = record.connectMs?.value
  return {
    http3HandshakeMs: record.fact('quicMs')?.value,
    tcpHandshakeMs: connectMs === undefined ? undefined : connectMs + (record.tlsMs?.value ?? 0),
    http3RoundTripMs: record.http3RoundTripMs,
  }
}

/**
 * How long a request over HTTP/3 waits for a proof of liveness: as long as TCP would wait for HTTP/3, but for
 * an acknowledgment that may come late.
 */
export function hedgeDelayMs(record: OriginRecord, options: SelectOptions): number {
  const { http3RoundTripMs } = record
  const { joinDelayMaxMs } = options
  const { delayMs } = joinDelay({ http3Status: 'confirmed', http3RoundTripMs, options })
  return Math.min(joinDelayMaxMs, Math.max(delayMs, (http3RoundTripMs ?? joinDelayMaxMs) + ACK_DELAY_MS))
}
