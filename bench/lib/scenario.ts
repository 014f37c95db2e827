import type { ScenarioResult } from '../../src/bench/results/scenario-result.ts'

/** What the command line decides. */
export interface BenchSettings {
  rounds: number
  /** Of one measurement. */
  seconds: number
  warmUpSeconds: number
  /** Bodies to measure, by the names of BODY_SIZES. */
  sizes: readonly string[]
  /** Subjects to measure; empty: all. */
  subjects: readonly string[]
  /**
   * Cases to measure: those whose name has one of these in it; empty: all. Scenarios that are no tables of
   * cases do not look at it.
   */
  cases: readonly string[]
  /** Whatever is drawn by chance begins with it. */
  seed: number
  /** Only to see whether it works: fewer subjects, fewer cases. */
  isQuick: boolean
  log(line: string): void
}

export type Scenario = (settings: BenchSettings) => Promise<ScenarioResult>

/**
 * Those of a scenario's subjects that the command line asks for; of a quick run `quick`. None at all is a
 * slip of the hand.
 */
export function chooseSubjects(
  all: readonly string[],
  { subjects, isQuick }: Pick<BenchSettings, 'subjects' | 'isQuick'>,
  quick: readonly string[] = all,
): readonly string[] {
  if (subjects.length === 0) return isQuick ? all.filter(name => quick.includes(name)) : all
  const chosen = all.filter(name => subjects.includes(name))
  if (chosen.length === 0)
    throw new Error(`none of these is a subject: ${subjects.join(', ')}; there are ${all.join(', ')}`)
  return chosen
}
