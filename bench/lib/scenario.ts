import type { JudgedAim } from './aims.ts'
import type { Measurement } from './rounds.ts'
import { median, pairedRatio, type Ratio } from './statistics.ts'

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
  log(line: string): void
}

export interface Metric {
  /** The key within a measurement. */
  key: string
  /** The head of its column. */
  title: string
}

interface SubjectResult {
  subject: string
  rounds: readonly Measurement[]
  median: Measurement
}

interface RatioResult extends Ratio {
  subject: string
  to: string
  metric: string
}

/** One table: the same work for every subject. */
export interface CaseResult {
  name: string
  subjects: readonly SubjectResult[]
  ratios: readonly RatioResult[]
  /** What was hoped for, and whether it came true. */
  aims?: readonly JudgedAim[]
  /** What no column says, a line each. */
  notes?: readonly string[]
}

export interface ScenarioResult {
  scenario: string
  /** One sentence: what was done. */
  description: string
  metrics: readonly Metric[]
  cases: readonly CaseResult[]
  /** Subjects that could not run, and why. */
  unavailable: readonly { subject: string; because: string }[]
}

export type Scenario = (settings: BenchSettings) => Promise<ScenarioResult>

/** Those of a scenario's subjects that the command line asks for. None at all is a slip of the hand. */
export function chooseSubjects(all: readonly string[], { subjects }: BenchSettings): readonly string[] {
  if (subjects.length === 0) return all
  const chosen = all.filter(name => subjects.includes(name))
  if (chosen.length === 0)
    throw new Error(`none of these is a subject: ${subjects.join(', ')}; there are ${all.join(', ')}`)
  return chosen
}

/** Medians and ratios of one case. `references` says with whom a subject is compared. */
export function summarizeCase(
  name: string,
  measurements: ReadonlyMap<string, readonly Measurement[]>,
  metric: string,
  references: (subject: string) => readonly string[],
): CaseResult {
  const subjects: SubjectResult[] = []
  const ratios: RatioResult[] = []
  for (const [subject, rounds] of measurements) {
    subjects.push({ subject, rounds, median: medianMeasurement(rounds) })
    for (const to of references(subject)) {
      const other = measurements.get(to)
      if (other === undefined || to === subject) continue
      const ratio = pairedRatio(
        rounds.map(round => round[metric]),
        other.map(round => round[metric]),
      )
      if (ratio !== undefined) ratios.push({ subject, to, metric, ...ratio })
    }
  }
  return { name, subjects, ratios }
}

/** Each metric's own median: the values of one row may stem from different rounds. */
function medianMeasurement(rounds: readonly Measurement[]): Measurement {
  const keys = new Set(rounds.flatMap(round => Object.keys(round)))
  const medians: Record<string, number> = {}
  for (const key of keys) medians[key] = median(rounds.map(round => round[key] ?? Number.NaN))
  return medians
}
