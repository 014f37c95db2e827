import type { HistogramRecord } from '../../../src/bench/results/histogram.ts'
import type { OriginName } from '../plan.ts'

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
