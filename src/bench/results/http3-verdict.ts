import type { Ratio } from './estimates.ts'

/** What one figure says of HTTP/3 beside the same client over TCP. */
export interface Http3Verdict {
  /** The one that goes over HTTP/3. */
  readonly subject: string
  /** The one that goes over TCP. */
  readonly to: string
  readonly metric: string
  readonly outcome: Http3Outcome
  /** The former's figure as a multiple of the latter's, round by round. */
  readonly ratio: Ratio
}

/** A share: a median ratio that is closer to 1 counts as 1. */
export const EVEN_WITHIN = 0.02

export type Http3Outcome =
  | 'wins'
  | 'loses'
  /** There is a difference, and it matters to nobody: less than EVEN_WITHIN. */
  | 'even'
  /**
   * The interval has 1 in it, there are too few rounds for one, or whoever looks better has more failures.
   */
  | 'not-shown'
