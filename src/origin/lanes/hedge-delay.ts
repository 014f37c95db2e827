import type { SelectOptions } from '../../base/options/select-options.ts'
import { joinDelay } from '../../select/lane-plan.ts'
import type { OriginRecord } from '../../select/record/origin-record.ts'

/**
 * A peer that thinks acknowledges a request after up to 25 ms (max_ack_delay, RFC 9000 18.2), by a timer that
 * may be late.
 */
const ACK_DELAY_MS = 35

/** What the plan of a race looks at. Undefined: not measured yet. */
export interface RaceFigures {
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
