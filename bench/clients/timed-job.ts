import type { Decision } from '../../src/base/events/decision.ts'
import type { LaneName } from '../../src/base/http/lane.ts'
import type { Protocol } from '../../src/index.ts'

/**
 * What a timed client is made to do: requests one after another through a transport that was just made, each
 * with its own time.
 */
export interface TimedJob {
  /** What the transport is held to, and HTTP/2 to one connection; undefined: it chooses. */
  protocols: readonly Protocol[] | undefined
  path: string
  /** Every body has so many, or its request has failed. */
  bytes: number
  /** Requests that are under way at any time. */
  concurrency: number
  /**
   * The requests that count apart: the first so many, or those that begin within this time, whichever ends
   * sooner.
   */
  learning: { requests: number; seconds: number }
  /** After the learning requests begin for so long, and are waited for. */
  seconds: number
  /** What has not ended by then, from the start, has failed. */
  deadlineSeconds: number
}

export interface TimedRequest {
  /** From the call to the last byte, waiting for a connection and retries included. */
  readonly ms: number
  readonly lane: LaneName | undefined
  readonly protocol: Protocol | undefined
  readonly isLearning: boolean
}

export interface TimedReport {
  /** Those that ended well, in the order of their ends. */
  readonly requests: readonly TimedRequest[]
  readonly failures: number
  readonly firstFailure: string | undefined
  /** Made in all, of every lane. */
  readonly connections: number
  /** In order; the first hundred. */
  readonly decisions: readonly TimedDecision[]
}

export interface TimedDecision extends Pick<Decision, 'lane' | 'rule' | 'because'> {
  /** Requests that had ended by then. */
  readonly afterRequests: number
}

export interface TimedSetting {
  /** `https://HOST:PORT` */
  origin: string
  ca: string
  /** As a transport takes it. */
  resolve: Readonly<Record<string, string>>
}
