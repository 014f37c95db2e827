import type { ExchangeInfo, TransportError, TransportResponse } from '../../index.ts'
import { type Phases, phasesOf, roundedPhases } from './phases.ts'
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
  /** Phases, and what they add up to. */
  timingsMs: Phases & { readonly total: number }
  trailers: Record<string, string | string[]>
  informational: ExchangeInfo['informational']
  /** With `--include` only. */
  headers?: TransportResponse['headers']
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
  statusText: string
  headers: TransportResponse['headers']
  info: ExchangeInfo
  /** From the head to the end of the body. */
  bodyMs: number
  bytes: number
  sha256: string | null
  trailers: Record<string, string | string[]>
  /** The beginning of the body, where it is to be shown. */
  preview: Buffer | undefined
}

/** One request and what became of it. */
export interface Fetched {
  readonly url: string
  /** Undefined when none came. */
  readonly response: FetchedResponse | undefined
  readonly error: TransportError | undefined
  /** The total where the exchange did not come to its own. */
  readonly elapsedMs: number
}

/** The record of a request. `firstConnection` is the id of the connection that is called 1. */
export function getRecord(
  { url, response, error, elapsedMs }: Fetched,
  hasHeaders: boolean,
  firstConnection: number,
): GetRecord {
  const info = response?.info
  const timings = info?.timings
  const isWhole = error === undefined && timings !== undefined && timings.totalMs > 0
  const phases = phasesOf(timings, isWhole ? timings.totalMs : elapsedMs, response?.bodyMs ?? 0)
  return {
    url,
    status: response?.status ?? 0,
    bytes: response?.bytes ?? 0,
    sha256: response?.sha256 ?? null,
    protocol: info?.protocol ?? null,
    connectionId: info === undefined ? null : info.connectionId - firstConnection + 1,
    reused: info?.reused ?? false,
    resumed: info?.resumed ?? false,
    earlyData: info?.earlyData ?? 'none',
    tfo: info?.tfo ?? 'off',
    ...(info?.tfoBecause !== undefined && { tfoBecause: info.tfoBecause }),
    remoteAddress: info?.remoteAddress ?? null,
    attempts: info?.attempts ?? [],
    // Microseconds are as fine as the clock means anything.
    timingsMs: roundedPhases(phases, 0.001),
    trailers: response?.trailers ?? {},
    informational: info?.informational ?? [],
    ...(hasHeaders && { headers: response?.headers ?? {} }),
    ...(error !== undefined && { error: error.toJSON() }),
  }
}
