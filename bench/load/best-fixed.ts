import { runRounds } from '../../src/bench/load/rounds.ts'
import type { JudgedAim, Measurement } from '../../src/bench/results/scenario-result.ts'
import { type Estimate, estimateMean, estimateRatio } from '../../src/bench/results/statistics.ts'

/** A subject's figure over all rounds. */
export interface SubjectEstimate {
  readonly subject: string
  readonly estimate: Estimate
}

type Rounds = ReadonlyMap<string, readonly Measurement[]>

/**
 * Every subject, the best one (of whose figure there is least) first. Those without a figure are left out.
 */
export function rankSubjects(rounds: Rounds, metric: string): SubjectEstimate[] {
  return [...rounds]
    .map(([subject, measurements]) => ({ subject, estimate: estimateMean(figures(measurements, metric)) }))
    .filter(({ estimate }) => Number.isFinite(estimate.value))
    .sort((a, b) => a.estimate.value - b.estimate.value)
}

/** Those that could still turn out the best: not more than `factor` behind who is. */
export function contenders(ranked: readonly SubjectEstimate[], factor: number): readonly string[] {
  const best = ranked[0]?.estimate.value ?? Number.POSITIVE_INFINITY
  return ranked.filter(({ estimate }) => estimate.value <= factor * best).map(({ subject }) => subject)
}

/**
 * The verdict on a subject that is to be no more than `atMost` times as slow as the best of the others, and
 * how sure it is.
 */
export interface BestVerdict {
  readonly aim: JudgedAim
  readonly ratio: Estimate
}

/**
 * Whoever had the least mean is the best, although luck had a hand in that: of several that are equal, the
 * one that was lucky is compared with. Requests that failed have no time: with any of them the aim is missed.
 * Undefined when there is nobody to compare.
 */
export function judgeAgainstBest(
  rounds: Rounds,
  subject: string,
  metric: string,
  atMost: number,
): BestVerdict | undefined {
  const ours = rounds.get(subject)
  const others = rankSubjects(new Map([...rounds].filter(([name]) => name !== subject)), metric)
  const best = others[0]?.subject
  const theirs = best === undefined ? undefined : rounds.get(best)
  if (ours === undefined || best === undefined || theirs === undefined) return undefined
  const ratio = estimateRatio(figures(ours, metric), figures(theirs, metric))
  const hasFailed = ours.some(round => (round['failures'] ?? 0) > 0)
  const measured = Number.isNaN(ratio.value) ? undefined : ratio.value
  const met = measured !== undefined && measured <= atMost && !hasFailed
  return { aim: { subject, metric, to: best, atMost, measured, met }, ratio }
}

function figures(measurements: readonly Measurement[], metric: string): number[] {
  return measurements.map(round => round[metric] ?? Number.NaN).filter(value => !Number.isNaN(value))
}

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
