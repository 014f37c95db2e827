/**
 * A histogram as results keep it: [the middle of a bucket in microseconds, how many values fell into it],
 * sparse, ascending.
 */
export interface HistogramRecord {
  readonly buckets: readonly (readonly [us: number, count: number])[]
  readonly count: number
  /** Exact, in microseconds; 0 of none. */
  readonly minUs: number
  readonly maxUs: number
  /**
   * So many were longer than a histogram can tell (MAX_RECORDED_US) and are counted as that. Undefined: none.
   */
  readonly aboveMaximum?: number
}
