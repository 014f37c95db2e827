import type { ExchangeInfo, TransportError, TransportResponse } from '../../index.ts'
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

/** The phases of an exchange, in their order. They add up to its total. */
export const PHASES = ['queue', 'dns', 'connect', 'tls', 'ttfb', 'body'] as const
type Phase = (typeof PHASES)[number]

/**
 * Where the time of one exchange went, in ms:
 *
 * queue    it waited: for a connection that another request made, for a free stream, or for tries that failed
 * dns, connect, tls    what its own connection took, as far as it waited for that
 * ttfb     from the lease of its connection to the head of the response
 * body     from there to the end
 */
type Phases = Readonly<Record<Phase, number>>

/**
 * The transport's timings as phases that follow each other: there the time until the lease contains the steps
 * of connecting, and a connection may have been under way before the request came.
 */
export function phasesOf(
  timings: ExchangeInfo['timings'] | undefined,
  totalMs: number,
  bodyMs: number,
): Phases {
  let left = totalMs
  const take = (ms: number): number => {
    const taken = Math.min(Math.max(0, ms), left)
    left -= taken
    return taken
  }
  // From the end: what came last was waited for.
  const body = take(bodyMs)
  const ttfb = take(timings?.ttfbMs ?? 0)
  const tls = take(timings?.tlsMs ?? 0)
  const connect = take(timings?.connectMs ?? 0)
  const dns = take(timings?.dnsMs ?? 0)
  return { queue: left, dns, connect, tls, ttfb, body }
}

/**
 * Rounds to multiples of `unit` so that the rounded ones still add up: the sums are rounded, and each phase
 * is the difference of two. None is off by more than one unit.
 */
export function roundedPhases(phases: Phases, unit: number): Phases & { readonly total: number } {
  const rounded = { queue: 0, dns: 0, connect: 0, tls: 0, ttfb: 0, body: 0 }
  let sum = 0
  let before = 0
  const perMs = 1 / unit
  for (const phase of PHASES) {
    sum += phases[phase]
    const now = Math.round(sum * perMs)
    rounded[phase] = (now - before) / perMs
    before = now
  }
  return { ...rounded, total: before / perMs }
}
