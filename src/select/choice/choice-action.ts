import type { Decision } from '../../base/events/decision.ts'
import type { LaneName } from '../../base/http/protocol.ts'
import type { SelectOptions } from '../../base/options/select-options.ts'

export interface ChooserConfig {
  readonly options: Pick<
    SelectOptions,
    'policy' | 'exploreShare' | 'trialRequests' | 'minGain' | 'sustainMs' | 'spreadConnections'
  >
  /** The order in which lanes are taken while nothing is measured. */
  readonly firstPreference: readonly LaneName[]
}

/**
 * - `prepareTrial`: make so many connections of the lane in the background and say onTrialReady, or
 *   onTrialUnavailable when none is to be had. When they are open already, say so at once.
 * - `decided`: another lane carries from now on, or the same for another reason.
 */
export type ChoiceAction =
  | { readonly type: 'prepareTrial'; readonly lane: LaneName; readonly connections: number }
  | { readonly type: 'decided'; readonly decision: Decision }

/** What one exchange reports the lane that carried it. Times are milliseconds. */
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
