import type { AttemptRecord } from '../../base/events/connection.ts'
import { formatPathEnd } from '../../base/events/migration-report.ts'
import type { TransportEvent } from '../../base/events/observer.ts'
import { formatEndpoint } from '../../base/http/endpoint.ts'

/**
 * One event of a trace (draft-ietf-quic-qlog-main-schema, section 7). Field names are lower case in JSON text
 * sequences (its section 11.2).
 */
export interface QlogEvent {
  /**
   * Milliseconds since the trace began. Attempts are reported when their dial has ended, so that times may go
   * back: tools sort by them.
   */
  readonly time: number
  /** `namespace:event`. */
  readonly name: `hev3:${string}` | `middlemile:${string}` | `loglevel:${string}`
  /** The origin's key, so that one file holds many origins. */
  readonly group_id?: string
  readonly data: Readonly<Record<string, unknown>>
}

/** Microseconds are as fine as the clock means anything. */
export function roundedMs(ms: number): number {
  return Math.round(ms * 1_000) / 1_000
}

type DialEnded = Extract<TransportEvent, { type: 'dial-ended' }>

/** A word of the draft for each of ours. */
const RESULTS: Readonly<Record<AttemptRecord['outcome'], 'success' | 'failure' | 'canceled'>> = {
  connected: 'success',
  failed: 'failure',
  cancelled: 'canceled',
  overtaken: 'canceled',
}

interface Attempt {
  readonly record: AttemptRecord
  readonly id: string
  readonly target: AttemptTarget
  /** Since the trace began. */
  readonly startedAt: number
}

interface AttemptTarget {
  readonly address: string
  readonly port: number
  readonly family: 'ipv4' | 'ipv6'
}

/**
 * A dial as a session of draft-kuehlewind-happy-qlog: each attempt with its start and its outcome, the one
 * that was taken, the sum. `endedAt` and `beganAt` count from the beginning of the trace. Fields of ours in
 * the draft's events: `because`, `lane`, `error_message`.
 *
 * Left out of the draft: candidates and timers, since a record of a dial holds what was done and not what was
 * thought of.
 */
export function dialEvents(
  session: string,
  { attempts: records, lane, origin }: DialEnded,
  { beganAt, endedAt }: { readonly beganAt: number; readonly endedAt: number },
): QlogEvent[] {
  const group_id = origin.key
  const attempts = records.flatMap((record, index): Attempt[] => {
    const target = attemptTarget(record.endpoint)
    if (target === undefined) return []
    const startedAt = Math.min(endedAt, beganAt + record.startedAtMs)
    return [{ record, id: `${session}.${index + 1}`, target, startedAt }]
  })
  const event = (time: number, name: string, data: object): QlogEvent => ({
    time: roundedMs(time),
    name: `hev3:${name}`,
    group_id,
    data: { he_session_id: session, ...data },
  })

  const events: QlogEvent[] = attempts.map(({ record, id, target, startedAt }) =>
    event(startedAt, 'attempt_started', {
      attempt_id: id,
      target: { ...target, ...(origin.scheme === 'https' && { alpn: [record.protocol] }) },
      transport: transportOf(record),
      lane,
      because: record.because,
    }),
  )
  for (const { record, id, startedAt } of attempts) {
    const result = RESULTS[record.outcome]
    events.push(
      event(endedAt, 'attempt_outcome', {
        attempt_id: id,
        result,
        // When the others ended is not recorded.
        connect_duration_ms: result === 'success' ? wholeMs(endedAt - startedAt) : undefined,
        error_message: record.error,
      }),
    )
  }
  const winner = attempts.find(({ record }) => record.outcome === 'connected')
  if (winner !== undefined) events.push(event(endedAt, 'connection_selected', { attempt_id: winner.id }))
  else events.push(event(endedAt, 'connection_aborted', { reason: whyNone(records) }))
  events.push(
    event(endedAt, 'metrics', {
      outcome: winner === undefined ? 'aborted' : 'success',
      total_duration_ms: wholeMs(endedAt - beganAt),
      ...(winner !== undefined && {
        tt_first_success_ms: wholeMs(endedAt - beganAt),
        first_success_family: winner.target.family,
        first_success_transport: transportOf(winner.record),
      }),
      attempts_total: attempts.length,
      attempts_success: winner === undefined ? 0 : 1,
      attempts_failure: attempts.filter(({ record }) => RESULTS[record.outcome] === 'failure').length,
      lane,
    }),
  )
  return events
}

/** `192.0.2.1:443`, `[2001:db8::1]:443`. */
function attemptTarget(endpoint: string): AttemptTarget | undefined {
  const [, v6, v4, port] = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(endpoint) ?? []
  const address = v6 ?? v4
  if (address === undefined || port === undefined) return undefined
  return { address, port: Number(port), family: v6 === undefined ? 'ipv4' : 'ipv6' }
}

function transportOf({ protocol }: AttemptRecord): 'quic' | 'tcp' {
  return protocol === 'h3' ? 'quic' : 'tcp'
}

function whyNone(attempts: readonly AttemptRecord[]): string {
  if (attempts.length === 0) return 'no attempt was made'
  if (attempts.some(({ outcome }) => outcome === 'overtaken')) return 'another lane had a connection first'
  return attempts.some(({ outcome }) => outcome === 'cancelled') ? 'given up' : 'all attempts failed'
}

/** The draft's durations are uint32. */
function wholeMs(ms: number): number {
  return Math.min(Math.max(0, Math.round(ms)), 2 ** 32 - 1)
}

/** An event of ours, before it has a time. */
interface OwnEvent {
  readonly name: `middlemile:${string}`
  readonly data: Readonly<Record<string, unknown>>
}

/**
 * What draft-kuehlewind-happy-qlog has no words for, in a namespace of our own (`middlemile:`): `decision`,
 * `race_ended`, `http3_status`, `evidence`, `connection_opened`, `connection_closed`, `connect_failed`,
 * `exchange_retried`, `exchange_ended`, `migration`, and `path_sampled`, whose names are those of
 * `recovery:metrics_updated` where that has them. Undefined: not for a trace. Nothing of a request but its
 * method and path without the query, which may carry secrets.
 */
export function ownEvent(event: TransportEvent): OwnEvent | undefined {
  switch (event.type) {
    case 'decision': {
      const { lane, rule, because, candidates, wouldChange } = event.decision
      return own('decision', {
        lane,
        rule,
        because,
        candidates: candidates.map(candidate => ({
          lane: candidate.lane,
          protocol: candidate.protocol,
          is_eligible: candidate.isEligible,
          because: candidate.because,
          evidence: candidate.evidence,
          predicted_ms: rounded(candidate.predictedMs),
          cpu_ms: rounded(candidate.cpuMs),
        })),
        would_change: wouldChange,
      })
    }
    case 'race-ended':
      return own('race_ended', {
        winner: event.winner,
        events: event.race.map(({ atMs, lane, event: what, because }) => ({
          at_ms: roundedMs(atMs),
          lane,
          event: what,
          because,
        })),
      })
    case 'http3-status':
      return own('http3_status', {
        alternative: event.alternative,
        status: event.status,
        because: event.because,
      })
    case 'evidence':
      return own('evidence', { source: event.source, fact: event.fact })
    case 'connection-opened': {
      const { id, protocol, endpoint, altUsed } = event.connection
      const { kind, earlyData, tlsVersion, timings } = event.connection.handshake
      return own('connection_opened', {
        connection_id: id,
        protocol,
        endpoint: formatEndpoint(endpoint),
        alt_used: altUsed,
        handshake: kind,
        early_data: earlyData,
        tls_version: tlsVersion,
        dns_ms: roundedMs(timings.dnsMs),
        connect_ms: roundedMs(timings.connectMs),
        tls_ms: roundedMs(timings.tlsMs),
      })
    }
    case 'connection-joined':
      return own('connection_joined', {
        connection_id: event.connection.id,
        protocol: event.connection.protocol,
        owner: event.connection.sharedBy?.owner,
        because: event.connection.sharedBy?.because,
      })
    case 'connection-left':
      return own('connection_left', {
        connection_id: event.connection.id,
        reason: event.reason,
        requests: event.requests,
      })
    case 'coalescing-refused':
      return own('coalescing_refused', { owner: event.owner, reason: event.reason, because: event.because })
    case 'connection-closed':
      return own('connection_closed', {
        connection_id: event.connection.id,
        reason: event.reason,
        code: event.error?.code,
        age_ms: roundedMs(event.ageMs),
        requests: event.requests,
      })
    case 'connect-failed':
      return own('connect_failed', {
        code: event.error.code,
        message: event.error.message,
        duration_ms: roundedMs(event.durationMs),
        retry_after_ms: roundedMs(event.retryAfterMs),
      })
    case 'exchange-retried':
      return own('exchange_retried', { reason: event.reason, code: event.error.code })
    case 'exchange-ended':
      return own('exchange_ended', {
        method: event.method,
        path: event.path.split('?', 1)[0],
        status: event.status,
        lane: event.lane,
        protocol: event.protocol,
        connection_id: event.protocol === undefined ? undefined : event.connectionId,
        reused: event.reused,
        retries: event.retries,
        early_data: event.earlyData,
        queue_ms: roundedMs(event.queueMs),
        ttfb_ms: roundedMs(event.ttfbMs),
        total_ms: roundedMs(event.totalMs),
        stall_ms: rounded(event.stallMs),
        response_bytes: event.responseBytes,
        code: event.error?.code,
      })
    case 'migration': {
      const { cause, outcome, from, to, gapMs, because } = event.report
      return own('migration', {
        connection_id: event.connection.id,
        cause,
        outcome,
        from: formatPathEnd(from),
        to: to === undefined ? undefined : formatPathEnd(to),
        gap_ms: rounded(gapMs),
        because,
      })
    }
    case 'path-sampled': {
      const { lane, connection, stats, lossRatio } = event
      return own('path_sampled', {
        connection_id: connection.id,
        protocol: connection.protocol,
        lane,
        smoothed_rtt: roundedMs(stats.rttMs),
        min_rtt: rounded(stats.minRttMs),
        congestion_window: stats.congestionWindowBytes,
        packets_sent: stats.sentPackets,
        packets_lost: stats.lostPackets,
        packets_received: stats.receivedPackets,
        packets_out_of_order: stats.outOfOrderPackets,
        bytes_per_second: stats.deliveryBytesPerSecond,
        loss_ratio: lossRatio === undefined ? undefined : Math.round(lossRatio * 1e4) / 1e4,
      })
    }
    // Dials are reported in the draft's words; the rest says nothing of a choice.
    default:
      return undefined
  }
}

function own(name: string, data: Readonly<Record<string, unknown>>): OwnEvent {
  return { name: `middlemile:${name}`, data }
}

function rounded(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : roundedMs(ms)
}
