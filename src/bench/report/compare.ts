import { LOAD_METRICS } from '../results/load-measurement.ts'
import type { ResultFile } from '../results/result-file.ts'
import type {
  CaseResult,
  MachineFacts,
  Metric,
  ScenarioResult,
  SubjectResult,
} from '../results/scenario-result.ts'
import {
  CONFIDENCE,
  estimateMedian,
  type MedianEstimate,
  MIN_ROUNDS_FOR_INTERVAL,
  pairwise,
} from '../results/statistics.ts'
import { NO_DIFFERENCE } from './verdict.ts'

/** Two result files side by side. Plain data: its JSON is the comparison for programs. */
export interface Comparison {
  readonly a: ComparedRun
  readonly b: ComparedRun
  /** What a verdict means. */
  readonly rule: string
  /** What speaks against comparing the two at all. */
  readonly warnings: readonly string[]
  readonly cases: readonly ComparedCase[]
  /** `scenario`, `scenario / case`, …: the outermost part that the other file lacks. */
  readonly onlyIn: { readonly a: readonly string[]; readonly b: readonly string[] }
}

export interface ComparedRun {
  readonly startedAt: string
  readonly revision: string
  readonly arguments: readonly string[]
}

export interface ComparedCase {
  readonly scenario: string
  readonly name: string
  readonly figures: readonly ComparedFigure[]
}

export interface ComparedFigure {
  readonly subject: string
  /** The figure is a multiple of this subject's, round by round. Undefined: it is a figure by itself. */
  readonly to?: string
  readonly metric: string
  readonly title: string
  readonly a: MedianEstimate
  readonly b: MedianEstimate
  /** B's median as a multiple of A's; undefined where A's is 0. */
  readonly ratio: number | undefined
  readonly verdict: Verdict
}

/** `different`: a difference is shown, and nobody says which way is better. */
export type Verdict = 'better' | 'worse' | 'different' | typeof NO_DIFFERENCE

/** What isDifferent() holds to, for whoever reads its verdicts. */
const COMPARE_RULE = `A difference is shown when the two runs' ${100 * CONFIDENCE} % intervals of the median do not touch. With fewer than ${MIN_ROUNDS_FOR_INTERVAL} rounds on either side there is no such interval: then every round of one run has to lie beyond every round of the other, and the rounds have to be so many that luck brings that about at most ${formatLuck()} times in 100 (4 and 4 rounds, or 3 and 5). Rounds tell nothing of what differs between runs, as the machine's temper: a ratio within one run is surer than a figure, and two runs each, in turns, are surer than one.`

/** What B's figure is beside A's. */
export function judge(a: MedianEstimate, b: MedianEstimate, better: Metric['better']): Verdict {
  if (!isDifferent(a, b)) return NO_DIFFERENCE
  if (better === undefined) return 'different'
  return b.median < a.median === (better === 'less') ? 'better' : 'worse'
}

function isDifferent(a: MedianEstimate, b: MedianEstimate): boolean {
  if (a.interval !== undefined && b.interval !== undefined) {
    return a.interval.high < b.interval.low || b.interval.high < a.interval.low
  }
  return (a.max < b.min || b.max < a.min) && couldDiffer(a, b)
}

/** The rounds of both are so many that a difference could show at all. */
export function couldDiffer(a: MedianEstimate, b: MedianEstimate): boolean {
  if (a.interval !== undefined && b.interval !== undefined) return true
  return luckOfSeparation(a.rounds, b.rounds) <= 1 - CONFIDENCE + 1e-9
}

/**
 * Of all orders in which n and m values that differ in nothing can come, the share of the two that keep them
 * apart (Mann & Whitney, 1947).
 */
function luckOfSeparation(n: number, m: number): number {
  let orders = 1
  for (let i = 1; i <= n; i++) orders = (orders * (m + i)) / i
  return 2 / orders
}

function formatLuck(): string {
  return String(Math.round(100 * (1 - CONFIDENCE)))
}

/** What changed from A to B. */
export function compareResults(a: ResultFile, b: ResultFile): Comparison {
  const onlyIn = { a: missingIn(a, b), b: missingIn(b, a) }
  const cases = a.results.flatMap(scenario => {
    const other = b.results.find(entry => entry.scenario === scenario.scenario)
    return other === undefined ? [] : compareScenario(scenario, other)
  })
  const warnings = [...compareWarnings(a, b), ...driftWarnings(cases)]
  return { a: runOf(a), b: runOf(b), rule: COMPARE_RULE, warnings, cases, onlyIn }
}

function runOf({ startedAt, machine, arguments: args }: ResultFile): ComparedRun {
  return { startedAt, revision: machine.revision, arguments: args }
}

function compareScenario(a: ScenarioResult, b: ScenarioResult): ComparedCase[] {
  const metrics = a.metrics.flatMap(metric => {
    const other = b.metrics.find(({ key }) => key === metric.key)
    return other === undefined ? [] : [withDirection(metric, other)]
  })
  return a.cases.flatMap(one => {
    const other = b.cases.find(({ name }) => name === one.name)
    if (other === undefined) return []
    const figures = [...compareSubjects(one, other, metrics), ...compareRatios(one, other, metrics)]
    return [{ scenario: a.scenario, name: one.name, figures }]
  })
}

/** Files that were written before metrics said which way is better: the same key says it elsewhere. */
function withDirection(a: Metric, b: Metric): Metric {
  const better = a.better ?? b.better ?? LOAD_METRICS.find(({ key }) => key === a.key)?.better
  return { ...a, ...(better && { better }) }
}

function compareSubjects(a: CaseResult, b: CaseResult, metrics: readonly Metric[]): ComparedFigure[] {
  return a.subjects.flatMap(one => {
    const other = findSubject(b, one.subject)
    if (other === undefined) return []
    return metrics.flatMap(metric =>
      compareFigure(
        { subject: one.subject },
        metric,
        estimateMedian(figures(one, metric.key)),
        estimateMedian(figures(other, metric.key)),
      ),
    )
  })
}

/**
 * The pairs that either file was summarized with: what a machine did to both runs' subjects alike is not in
 * them.
 */
function compareRatios(a: CaseResult, b: CaseResult, metrics: readonly Metric[]): ComparedFigure[] {
  const pairs = new Map(
    [...a.ratios, ...b.ratios].map(({ subject, to, metric }) => [
      JSON.stringify([subject, to, metric]),
      { subject, to, metric },
    ]),
  )
  return [...pairs.values()].flatMap(({ subject, to, metric: key }) => {
    const metric = metrics.find(entry => entry.key === key)
    if (metric === undefined) return []
    const estimate = (result: CaseResult): MedianEstimate | undefined =>
      estimateMedian(
        pairwise(figures(findSubject(result, subject), key), figures(findSubject(result, to), key)),
      )
    return compareFigure({ subject, to }, metric, estimate(a), estimate(b))
  })
}

function compareFigure(
  who: Pick<ComparedFigure, 'subject' | 'to'>,
  { key, title, better }: Metric,
  a: MedianEstimate | undefined,
  b: MedianEstimate | undefined,
): ComparedFigure[] {
  if (a === undefined || b === undefined) return []
  const ratio = a.median === 0 ? undefined : b.median / a.median
  return [{ ...who, metric: key, title, a, b, ratio, verdict: judge(a, b, better) }]
}

function figures(subject: SubjectResult | undefined, key: string): (number | undefined)[] {
  return subject?.rounds.map(round => round[key]) ?? []
}

function findSubject({ subjects }: CaseResult, name: string): SubjectResult | undefined {
  return subjects.find(({ subject }) => subject === name)
}

/** What `file` has and `other` lacks. */
function missingIn(file: ResultFile, other: ResultFile): string[] {
  return file.results.flatMap(scenario => {
    const there = other.results.find(entry => entry.scenario === scenario.scenario)
    if (there === undefined) return [scenario.scenario]
    const metrics = scenario.metrics
      .filter(({ key }) => !there.metrics.some(metric => metric.key === key))
      .map(({ title }) => `${scenario.scenario} / all cases / ${title}`)
    return [...metrics, ...scenario.cases.flatMap(one => missingOfCase(scenario, one, there))]
  })
}

function missingOfCase(
  { scenario, metrics }: ScenarioResult,
  one: CaseResult,
  there: ScenarioResult,
): string[] {
  const path = `${scenario} / ${one.name}`
  const other = there.cases.find(({ name }) => name === one.name)
  if (other === undefined) return [path]
  return one.subjects.flatMap(subject => {
    const match = findSubject(other, subject.subject)
    if (match === undefined) return [`${path} / ${subject.subject}`]
    return metrics
      .filter(({ key }) => there.metrics.some(metric => metric.key === key))
      .filter(({ key }) => key in subject.median && !(key in match.median))
      .map(({ title }) => `${path} / ${subject.subject} / ${title}`)
  })
}

const FACTS: readonly [keyof MachineFacts, string][] = [
  ['cpuModel', 'CPU'],
  ['cores', 'cores'],
  ['memoryGiB', 'memory (GiB)'],
  ['kernel', 'kernel'],
  ['distribution', 'distribution'],
  ['congestionControl', 'congestion control'],
]

/** What of the two runs differs beside the code. */
function compareWarnings(a: ResultFile, b: ResultFile): string[] {
  return [
    ...FACTS.flatMap(([key, title]) => difference(title, a.machine[key], b.machine[key])),
    ...differences('version of', a.machine.versions, b.machine.versions),
    ...differences('setting', a.settings, b.settings),
    ...busy('A', a.machine),
    ...busy('B', b.machine),
  ]
}

function differences(
  what: string,
  a: Readonly<Record<string, unknown>>,
  b: Readonly<Record<string, unknown>>,
): string[] {
  const keys = new Set([...Object.keys(a), ...Object.keys(b)])
  return [...keys].flatMap(key => difference(`${what} ${key}`, a[key], b[key]))
}

function difference(title: string, a: unknown, b: unknown): string[] {
  return shown(a) === shown(b) ? [] : [`${title}: ${shown(a)} in A, ${shown(b)} in B`]
}

function shown(value: unknown): string {
  if (typeof value === 'string') return value
  return value === undefined ? 'none' : JSON.stringify(value)
}

function busy(file: string, { loadAtStart, cores }: MachineFacts): string[] {
  return loadAtStart > cores / 2
    ? [`the machine of ${file} was busy when the run began: load ${loadAtStart.toFixed(2)} on ${cores} cores`]
    : []
}

/** Of so few it may be luck that they moved to the same side. */
const MIN_SUBJECTS = 3

/** Where every subject moved to the same side, what moved may be the machine, or what all of them share. */
function driftWarnings(cases: readonly ComparedCase[]): string[] {
  return cases.flatMap(({ scenario, name, figures }) => {
    const own = figures.filter(({ to }) => to === undefined)
    return [...new Set(own.map(({ metric }) => metric))].flatMap(metric => {
      const all = own.filter(figure => figure.metric === metric)
      const sides = new Set(
        all.map(({ a, b, verdict }) => (verdict === NO_DIFFERENCE ? 0 : Math.sign(b.median - a.median))),
      )
      if (all.length < MIN_SUBJECTS || sides.size !== 1 || sides.has(0)) return []
      const way = sides.has(1) ? 'more' : 'less'
      return [
        `${scenario} / ${name}: all ${all.length} subjects have ${way} ${all[0]?.title ?? metric} in B: the machine, or what they share`,
      ]
    })
  })
}
