import { runRounds } from '../../src/bench/load/rounds.ts'
import type { Measurement } from '../../src/bench/results/measurement.ts'
import { contenders, rankSubjects } from './best-fixed.ts'

export interface ScoutedRoundsOptions<Subject extends { readonly name: string }> {
  subjects: readonly Subject[]
  /** Measured in every round, whatever the scouting finds. */
  isSet(subject: Subject): boolean
  /** Once for each subject, before all of that. */
  warmUp(subject: Subject): Promise<void>
  /** A short run of one subject. */
  scout(subject: Subject): Promise<Measurement>
  /** In the scouting: of this the least is the best, and who has more than `factor` times as much is out. */
  metric: string
  factor: number
  rounds: number
  measure(subject: Subject, round: number): Promise<Measurement>
}

export interface ScoutedRounds {
  /** By the names of those that were measured. */
  readonly rounds: ReadonlyMap<string, readonly Measurement[]>
  /** What the others showed in the scouting. */
  readonly dismissed: ReadonlyMap<string, Measurement>
}

/**
 * Rounds for those who could come out best: who is several times as slow as another would take most of the
 * time of a bench that needs it for telling apart those that are close.
 */
export async function runScoutedRounds<Subject extends { readonly name: string }>(
  options: ScoutedRoundsOptions<Subject>,
): Promise<ScoutedRounds> {
  const { subjects, isSet, warmUp, scout, metric, factor, rounds, measure } = options
  for (const subject of subjects) await warmUp(subject)
  const seen = new Map<string, Measurement>()
  for (const subject of subjects) if (!isSet(subject)) seen.set(subject.name, await scout(subject))
  const ranked = rankSubjects(new Map([...seen].map(([name, one]) => [name, [one]])), metric)
  const close = contenders(ranked, factor)
  const measured = await runRounds<Subject>({
    subjects: subjects.filter(subject => isSet(subject) || close.includes(subject.name)),
    rounds,
    warmUp: () => Promise.resolve(), // they are warm
    measure,
  })
  return {
    rounds: new Map([...measured].map(([{ name }, some]) => [name, some])),
    dismissed: new Map([...seen].filter(([name]) => !close.includes(name))),
  }
}
