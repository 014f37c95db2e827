import { formatPathEnd } from '../../base/events/migration-report.ts'
import type { TransportEvent } from '../../base/events/observer.ts'
import { formatEndpoint } from '../../base/http/endpoint.ts'
import { roundedMs } from './qlog-event.ts'

/** An event of ours, before it has a time. */
export interface OwnEvent {
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
    // Dials are told in the draft's words; the rest says nothing of a choice.
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
