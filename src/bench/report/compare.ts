import { estimateMedian, type MedianEstimate, pairwise } from '../results/estimates.ts'
import { LOAD_METRICS } from '../results/load-measurement.ts'
import type { ResultFile } from '../results/result-file.ts'
import type { CaseResult, Metric, ScenarioResult, SubjectResult } from '../results/scenario-result.ts'
import { compareWarnings, driftWarnings } from './compare-warnings.ts'
import type { ComparedCase, ComparedFigure, ComparedRun, Comparison } from './comparison.ts'
import { COMPARE_RULE, judge } from './comparison.ts'

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
