import type { ExchangeInfo, TransportError } from '../../index.ts'
import type { MigrationRecord } from './tallies.ts'

/** What became of one request: a line of `get --json`. */
export interface GetRecord {
  url: string
  /** 0 when no response came. */
  status: number
  bytes: number
  /** Of the body, in hex; null when it did not come whole. */
  sha256: string | null
  protocol: string | null
  connectionId: number | null
  reused: boolean
  resumed: boolean
  earlyData: 'none' | 'accepted' | 'rejected'
  tfo: 'off' | 'used' | 'fallback'
  /** Why it fell back, or how far it helped. */
  tfoBecause?: string
  remoteAddress: string | null
  attempts: ExchangeInfo['attempts']
  timingsMs: { queue: number; dns: number; connect: number; tls: number; ttfb: number; total: number }
  trailers: Record<string, string | string[]>
  informational: ExchangeInfo['informational']
  error?: ReturnType<TransportError['toJSON']>
}

/** The last line of `get --json`. */
export interface GetSummary {
  requests: number
  failed: number
  /** Those that requests opened. */
  newConnections: number
  /** Those of races and trials, which no request needed first. */
  backgroundConnections: number
  /** 1 - newConnections / requests: the share of those that found a connection, where none failed. */
  reuseRate: number
  /** `none`: cleartext connections. */
  handshakes: { full: number; resumed: number; earlyData: number; none: number }
  /** Responses by protocol. */
  byProtocol: Record<string, number>
  /** Connections that moved to another path, or were to; the last hundred, the oldest first. */
  migrations: readonly MigrationRecord[]
}

/** A response and its body, as far as they came. */
export interface FetchedResponse {
  status: number
  info: ExchangeInfo
  bytes: number
  sha256: string | null
  trailers: Record<string, string | string[]>
}

/** The record of a request. `elapsedMs` is the total where the exchange did not come to its own. */
export function getRecord(
  url: string,
  response: FetchedResponse | undefined,
  error: TransportError | undefined,
  elapsedMs: number,
): GetRecord {
  const info = response?.info
  const timings = info?.timings
  const total =
    error === undefined && timings !== undefined && timings.totalMs > 0 ? timings.totalMs : elapsedMs
  return {
    url,
    status: response?.status ?? 0,
    bytes: response?.bytes ?? 0,
    sha256: response?.sha256 ?? null,
    protocol: info?.protocol ?? null,
    connectionId: info?.connectionId ?? null,
    reused: info?.reused ?? false,
    resumed: info?.resumed ?? false,
    earlyData: info?.earlyData ?? 'none',
    tfo: info?.tfo ?? 'off',
    ...(info?.tfoBecause !== undefined && { tfoBecause: info.tfoBecause }),
    remoteAddress: info?.remoteAddress ?? null,
    attempts: info?.attempts ?? [],
    timingsMs: {
      queue: rounded(timings?.queueMs ?? 0),
      dns: rounded(timings?.dnsMs ?? 0),
      connect: rounded(timings?.connectMs ?? 0),
      tls: rounded(timings?.tlsMs ?? 0),
      ttfb: rounded(timings?.ttfbMs ?? 0),
      total: rounded(total),
    },
    trailers: response?.trailers ?? {},
    informational: info?.informational ?? [],
    ...(error !== undefined && { error: error.toJSON() }),
  }
}

/** Microseconds are as fine as the clock means anything. */
function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000
}
