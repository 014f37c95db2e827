import type { ResultFile } from '../results/result-file.ts'
import type {
  CaseResult,
  Http3Outcome,
  Http3Verdict,
  Metric,
  ScenarioResult,
  SubjectResult,
} from '../results/scenario-result.ts'
import { isShown, MIN_ROUNDS_FOR_INTERVAL, type Ratio } from '../results/statistics.ts'
import { chiefMetric, type Finding, findingsOf, type Rival } from './findings.ts'
import { formatNumber, formatTimes, isFigure } from './table.ts'

/*
 * What a result comes to, in the words that the terminal and the page share.
 */

export const NO_DIFFERENCE = 'no difference shown'
export const TOO_FEW_ROUNDS = 'too few rounds'
export const CAVEATS = 'What the figures do not show'
export const NOT_MEASURED = 'not measured'

/** What the rounds show of a ratio. */
export function differenceText(ratio: Pick<Ratio, 'interval' | 'pairs'>): string {
  const { interval, pairs } = ratio
  if (interval === undefined) return pairs < MIN_ROUNDS_FOR_INTERVAL ? TOO_FEW_ROUNDS : '-'
  if (!isShown(ratio)) return NO_DIFFERENCE
  return interval.high < 1 ? 'less' : 'more'
}

export const OUTCOME_WORDS: Readonly<Record<Http3Outcome, string>> = {
  wins: 'WINS',
  loses: 'LOSES',
  even: 'even',
  'not-shown': NO_DIFFERENCE,
}

/** How often HTTP/3 was the one and the other: a line. */
export function countText(verdicts: readonly Http3Verdict[]): string {
  const count = (wanted: Http3Outcome): number => verdicts.filter(({ outcome }) => outcome === wanted).length
  return `Where HTTP/3 wins and where it loses, in ${verdicts.length} comparisons: ${count('wins')} won, ${count('loses')} lost, ${count('even')} even, ${NO_DIFFERENCE} in ${count('not-shown')}`
}

/** What was measured, for a heading: the URL, or the names of scenarios. */
export function targetOf({ results, settings }: Pick<ResultFile, 'results' | 'settings'>): string {
  const { url } = settings
  const names = results.map(({ scenario }) => scenario)
  return names.length === 1 && names[0] === 'url' && typeof url === 'string' ? url : names.join(', ')
}

/** Of the part of a report that has a scenario's figures: a run at a URL has no name but its URL. */
export function headingOf({ scenario }: Pick<ScenarioResult, 'scenario'>): string {
  return scenario === 'url' ? 'Figures' : scenario
}

/** The figures that a verdict is likely to be about, as a sentence has them. */
const PLAIN_NAMES: Readonly<Record<string, readonly [name: string, unit: string]>> = {
  p50Ms: ['median time of a request', ' ms'],
  p90Ms: ['time for nine of ten requests', ' ms'],
  p95Ms: ['time for 95 of 100 requests', ' ms'],
  p99Ms: ['time for 99 of 100 requests', ' ms'],
  meanMs: ['mean time of a request', ' ms'],
  firstByteP50Ms: ['median time to the first byte', ' ms'],
  wallMs: ['time until all was there', ' ms'],
  requestsPerSecond: ['requests per second', ''],
  requestsPerCpuSecond: ['requests per second of CPU', ''],
  megabytesPerCpuSecond: ['megabytes per second of CPU', ''],
  cpuMsPerRequest: ['CPU time of a request', ' ms'],
}

/**
 * A result in a few sentences: who was first at what it is about, whether that is shown, and what failed. Of
 * several tables how often who was first.
 */
export function verdictText({ results }: Pick<ResultFile, 'results'>): string {
  const tables = results.flatMap(scenario =>
    scenario.cases.filter(hasFigures).map(entry => ({ scenario, finding: chiefFinding(scenario, entry) })),
  )
  const [only] = tables
  if (only === undefined) return nothingMeasured(results)
  const verdict =
    tables.length === 1 ? sentenceOf(only.finding) : tallyOf(tables.map(({ finding }) => finding))
  return [verdict, ...failuresText(results), ...aimsText(results)].join(' ')
}

/** Somebody's request succeeded in it. */
export function hasFigures({ subjects, ratios }: CaseResult): boolean {
  return ratios.length > 0 || subjects.some(({ rounds }) => rounds.some(isMeasured))
}

function isMeasured(round: SubjectResult['rounds'][number]): boolean {
  const { requests, failures = 0 } = round
  return requests === undefined ? Object.keys(round).length > 0 : requests > failures
}

/** Each reason once, with those that it kept from being measured. */
export function unavailableTexts(unavailable: ScenarioResult['unavailable']): string[] {
  const reasons = new Map<string, string[]>()
  for (const { subject, because } of unavailable)
    reasons.set(because, [...(reasons.get(because) ?? []), subject])
  return [...reasons].map(([because, subjects]) => `${subjects.join(', ')}: ${because}`)
}

/** Why there is no figure at all. */
function nothingMeasured(results: readonly ScenarioResult[]): string {
  const said = unavailableTexts(results.flatMap(({ unavailable }) => unavailable))
  const notes = results.flatMap(({ cases }) => cases.flatMap(({ notes = [] }) => notes))
  const all = [...said, ...notes]
  if (all.length === 0) return 'Nothing was measured.'
  return `Nothing was measured: ${all.join('; ')}.`
}

function chiefFinding(scenario: ScenarioResult, entry: CaseResult): Finding | undefined {
  const chief = chiefMetric(scenario.metrics, entry)
  const all = findingsOf(scenario, entry)
  return all.find(({ metric }) => metric === chief) ?? all[0]
}

function sentenceOf(finding: Finding | undefined): string {
  if (finding === undefined) return 'Nothing was measured that could be better or worse.'
  const { metric, first, next } = finding
  const [name, unit] = plainName(metric)
  const place = { less: 'the lowest', more: 'the most', none: 'the lowest' }[metric.better ?? 'none']
  // Who is first where nothing is shown is luck.
  if (next?.evidence.kind === 'crosses')
    return `${first.subject} and ${next.subject} had ${place} ${name}, ${formatNumber(first.median)} and ${formatNumber(next.median)}${unit}: ${NO_DIFFERENCE}.`
  const opening = `${first.subject} had ${place} ${name}: ${formatNumber(first.median)}${unit}`
  return `${opening}${next === undefined ? '; there is nobody to compare it with' : distanceText(next, unit)}.`
}

function distanceText({ subject, median, ratio, evidence }: Rival, unit: string): string {
  const next = `; next is ${subject} with ${formatNumber(median)}${unit}`
  switch (evidence.kind) {
    case 'shown':
      return `${next} (${ratio === undefined ? '' : formatTimes(ratio.median)}, round by round)`
    case 'tooFew':
      return `${next}, in ${TOO_FEW_ROUNDS} to show a difference (${evidence.pairs} of ${MIN_ROUNDS_FOR_INTERVAL})`
    default: // 'unpaired'; 'crosses' has a sentence of its own
      return next
  }
}

function plainName({ key, title }: Metric): readonly [name: string, unit: string] {
  return PLAIN_NAMES[key] ?? [title, '']
}

/** `In 7 tables: h2 first in 4, h3 in 1; no difference shown in 2.` */
function tallyOf(findings: readonly (Finding | undefined)[]): string {
  const firsts = new Map<string, number>()
  for (const finding of findings) {
    if (finding?.next?.evidence.kind === 'shown')
      firsts.set(finding.first.subject, (firsts.get(finding.first.subject) ?? 0) + 1)
  }
  const shown = [...firsts].sort(([, a], [, b]) => b - a)
  const count = shown.reduce((sum, [, times]) => sum + times, 0)
  const words = shown.map(([subject, times], i) => `${subject} ${i === 0 ? 'first ' : ''}in ${times}`)
  const rest = count === findings.length ? [] : [`${NO_DIFFERENCE} in ${findings.length - count}`]
  return `In ${findings.length} tables: ${[words.join(', '), ...rest].filter(part => part !== '').join('; ')}.`
}

function failuresText(results: readonly ScenarioResult[]): string[] {
  const rounds = results.flatMap(({ cases }) =>
    cases.flatMap(({ subjects }) => subjects.flatMap(subject => subject.rounds)),
  )
  const sum = (key: string): number =>
    rounds
      .map(round => round[key])
      .filter(isFigure)
      .reduce((total, value) => total + value, 0)
  const failures = sum('failures')
  if (failures === 0) return []
  const requests = sum('requests')
  return [`${failures}${requests > 0 ? ` of ${requests}` : ''} requests failed.`]
}

function aimsText(results: readonly ScenarioResult[]): string[] {
  const aims = results.flatMap(({ cases }) => cases.flatMap(({ aims = [] }) => aims))
  if (aims.length === 0) return []
  const met = aims.filter(aim => aim.met).length
  const untold = aims.filter(({ measured }) => !isFigure(measured)).length
  return [`Aims: ${met} met, ${aims.length - met - untold} missed, ${untold} ${NOT_MEASURED}.`]
}
