import type { Decision } from '../../base/events/decision.ts'
import type { LaneName } from '../../base/http/lane.ts'
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
