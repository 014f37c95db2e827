import type { LaneName } from '../../base/http/lane.ts'

/** What one exchange tells of the lane that carried it. Times are milliseconds. */
export interface ExchangeSample {
  readonly lane: LaneName
  /** From its lease to the head of the response. */
  readonly ttfbMs: number
  /** From the head of the response to its last byte. */
  readonly bodyMs: number
  readonly responseBytes: number
  /**
   * Exchanges that were under way on the lane, itself included: the mean of when it began and when it ended.
   */
  readonly laneStreams: number
  /** Open connections of the lane. */
  readonly laneConnections: number
  /** For which data sat behind a gap; undefined: the protocol cannot tell. */
  readonly stallMs: number | undefined
  /** It was the first one of its connection, whose windows were still small. */
  readonly isFirst: boolean
  /**
   * It ended with an error that speaks against the lane (not with the caller's own abort). Then times mean
   * nothing.
   */
  readonly failed: boolean
}
