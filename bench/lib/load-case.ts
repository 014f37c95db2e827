import type { Arrival, LoadJob, RequestKind } from '../../src/bench/load/load-job.ts'
import type { LoadSubject } from './load-subject.ts'
import type { OriginPlan } from './origins/load-origin-config.ts'
import type { LinkConditions } from './origins/load-path.ts'
import type { CongestionControl } from './origins/lossy-path.ts'
import type { BenchSettings } from './scenario.ts'

/** What is measured, as data: load-scenario.ts does it. */
export interface LoadScenario {
  readonly name: string
  /** One sentence: what is done. */
  readonly description: string
  /** Over a way that delays and loses packets, TCP with that congestion control; undefined: over loopback. */
  readonly way?: CongestionControl
  /** By the names that subjects have for them. */
  readonly origins: Readonly<Record<string, OriginPlan>>
  readonly cases: readonly LoadCase[]
  /** Keys of LOAD_METRICS. */
  readonly columns: readonly string[]
  /** Those of them that subjects are compared by, round by round. */
  readonly compared: readonly string[]
  /** What its figures do not show, a line each, beside what its path does not. */
  readonly limits?: readonly string[]
}

/** One table: the same work for every subject. */
export interface LoadCase {
  readonly name: string
  readonly subjects: readonly LoadSubject[]
  /** Default: none. */
  readonly conditions?: LinkConditions
  readonly requests: readonly RequestKind[]
  readonly arrival: Arrival
  /** See LoadJob. Default `kept`. */
  readonly client?: LoadJob['client']
  /** Requests before each measurement that do not count. Default none. */
  readonly warmUpRequests?: number
  /** A measurement ends after so many requests. Default: by its time alone. */
  readonly maxRequests?: number
  /**
   * A measurement lasts so many times `--seconds`. Default 1; undefined `maxRequests` and time end it,
   * whichever is first.
   */
  readonly timeFactor?: number
  /**
   * Measurements for each round of `--rounds`: of short ones it takes more. Default 1; one in a quick run.
   */
  readonly repeats?: number
  /** Left out of a quick run. */
  readonly isLong?: boolean
}

export const NO_CONDITIONS: LinkConditions = { roundTripMs: 0, lossRate: 0 }

/** No measurement takes longer than this beyond its time, whatever is lost. */
const PATIENCE_SECONDS = 30

/** A case's work in one round. */
export function jobOf(entry: LoadCase, { seconds }: BenchSettings, seed: number): LoadJob {
  const { requests, arrival, client = 'kept', warmUpRequests = 0, maxRequests, timeFactor = 1 } = entry
  const measureSeconds = seconds * timeFactor
  return {
    requests,
    arrival,
    client,
    warmUp: { requests: warmUpRequests, seconds: PATIENCE_SECONDS },
    measure: { requests: maxRequests ?? Number.POSITIVE_INFINITY, seconds: measureSeconds },
    deadlineSeconds: measureSeconds + PATIENCE_SECONDS,
    seed,
  }
}
