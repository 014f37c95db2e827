import type { HistogramRecord } from '../../../src/bench/results/histogram.ts'
import { requestPath } from '../payload.ts'
import { ANSWER_SIZES, type OriginName, type PlannedOrigin, REQUEST_SIZES } from '../plan.ts'

/** What the load process is asked to do. */
export interface SoakJob {
  readonly http1Port: number
  readonly http2Port: number
  readonly origins: readonly OriginName[]
  /** It ends with whichever comes first. 0: no such end. */
  readonly requests: number
  readonly seconds: number
  /** When the time is up it goes on until so many requests were made, for three times as long at the most. */
  readonly leastRequests: number
  readonly seed: number
  /** A client's own patience. */
  readonly timeoutMs: number
  /** Ids of POSTs that were answered with 200, one a line. */
  readonly answeredFile: string
  /** Origins on nginx: their answers are files, whatever the id. */
  readonly fileOrigins: readonly OriginName[]
}

export interface FailedRequest {
  readonly origin: OriginName
  readonly id: string
  readonly method: string
  readonly protocol: 'http/1.1' | 'h2'
  readonly kind: 'status' | 'truncated' | 'wrong' | 'no-answer' | 'connection'
  /** 0: none came. */
  readonly status: number
  /** The connector's error code, or ''. */
  readonly code: string
  readonly message: string
  /** Of the request's body. */
  readonly bodyBytes: number
  /** On the wall clock, which all processes of the soak share. */
  readonly startedAt: number
  readonly endedAt: number
  /** When its client had a connection, and wrote it. */
  readonly leftMs: number | undefined
  /** Its connection was made for it. */
  readonly isNew: boolean
}

export interface SlowRequest {
  readonly origin: OriginName
  readonly id: string
  readonly method: string
  readonly startedAt: number
  readonly tookMs: number
  /** When its client had a connection, and wrote it. */
  readonly leftMs: number | undefined
  /** Its connection was made for it. */
  readonly isNew: boolean
  readonly outcome: string
}

export interface OriginLoad {
  readonly origin: OriginName
  readonly requests: number
  /** By method. */
  readonly methods: Readonly<Record<string, number>>
  /** Of requests that were answered and not read slowly. */
  readonly times: HistogramRecord
}

/** For so long a process did nothing: it was busy, or others had the CPU. */
export interface Stall {
  readonly endedAt: number
  readonly ms: number
}

export interface LoadReport {
  readonly seconds: number
  readonly origins: readonly OriginLoad[]
  readonly failures: readonly FailedRequest[]
  /** Failures beyond MAX_FAILURES: counted, not kept. */
  readonly failuresLeftOut: number
  /** The longest first, slow readers and names without an answer left out. */
  readonly slowest: readonly SlowRequest[]
  readonly cpuMs: number
  /**
   * When the load process itself stood still, the longest first: what is slow then need not be the proxy's
   * fault.
   */
  readonly stalls: readonly Stall[]
}

export const MAX_FAILURES = 50_000
export const MAX_SLOWEST = 40

export type LoadMessage =
  | { readonly type: 'progress'; readonly requests: number; readonly failures: number }
  | { readonly type: 'report'; readonly report: LoadReport }

/** One request of the load. */
export interface SoakRequest {
  /** Unique in the run. */
  readonly id: string
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT'
  readonly host: string
  readonly path: string
  /** Bytes of its body; 0: none. */
  readonly bodyBytes: number
  /** Bytes of the answer that it asks for. */
  readonly answerBytes: number
  readonly readsSlowly: boolean
}

/** Draws a request for an origin. `random` yields 0 to 1; the same numbers make the same request. */
export function drawRequest(origin: PlannedOrigin, id: string, random: () => number): SoakRequest {
  const lot = random()
  const { hosts, postShare, slowReaderShare } = origin
  const method =
    lot < postShare ? 'POST' : lot < postShare * 1.5 ? 'PUT' : lot < postShare * 1.5 + 0.06 ? 'HEAD' : 'GET'
  const bodyBytes = method === 'POST' || method === 'PUT' ? drawSize(REQUEST_SIZES, random()) : 0
  const readsSlowly = random() < slowReaderShare
  // Whoever reads slowly has something to read.
  const answerBytes = readsSlowly ? 1_048_576 : drawSize(ANSWER_SIZES, random())
  const path = requestPath(id, answerBytes)
  const host = hosts[Math.floor(random() * hosts.length)] ?? ''
  return { id, method, host, path, bodyBytes, answerBytes, readsSlowly }
}

function drawSize(sizes: readonly (readonly [bytes: number, share: number])[], lot: number): number {
  let left = lot
  for (const [bytes, share] of sizes) {
    left -= share
    if (left < 0) return bytes
  }
  return sizes[0]?.[0] ?? 0
}
