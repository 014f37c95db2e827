import { type Interval, pairedRatio } from './estimates.ts'
import type { CaseResult, RatioResult } from './scenario-result.ts'

/**
 * A ratio's interval; of one that was stored without it, from its rounds. Undefined: too few pairs, or its
 * rounds are not there.
 */
export function ratioInterval({ subjects }: CaseResult, ratio: RatioResult): Interval | undefined {
  if (ratio.interval !== undefined) return ratio.interval
  const figures = (name: string): (number | undefined)[] =>
    subjects.find(({ subject }) => subject === name)?.rounds.map(round => round[ratio.metric]) ?? []
  const again = pairedRatio(figures(ratio.subject), figures(ratio.to))
  return again?.pairs === ratio.pairs ? again.interval : undefined
}
