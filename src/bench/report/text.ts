import type { JudgedAim } from '../results/aims.ts'
import type { ResultFile } from '../results/result-file.ts'
import type { CaseResult, Metric, ScenarioResult } from '../results/scenario-result.ts'
import { formatFigures } from './figures-text.ts'
import { formatMachine } from './machine-text.ts'
import { formatRatios } from './ratios-text.ts'
import { formatNumber } from './table.ts'
import { formatVerdicts } from './verdicts-text.ts'

/** A whole file for a terminal: when and on what it was measured, and every table. */
export function formatFile({ startedAt, arguments: args, machine, results }: ResultFile): string {
  const head = `measured ${startedAt}: ${args.join(' ')}\n${formatMachine(machine)}`
  return [head, ...results.map(formatScenario)].join('\n\n')
}

/** A scenario's tables for a terminal. */
export function formatScenario(result: ScenarioResult): string {
  const missing = result.unavailable.map(({ subject, because }) => `\n  not measured: ${subject}: ${because}`)
  const parts = [`${result.scenario}: ${result.description}${missing.join('')}`]
  for (const entry of result.cases) parts.push(formatCase(entry, result.metrics))
  const verdicts = formatVerdicts(result)
  if (verdicts !== undefined) parts.push(verdicts)
  const { limits = [] } = result
  if (limits.length > 0)
    parts.push(`What these figures do not show:\n${limits.map(limit => `  ${limit}`).join('\n')}`)
  return parts.join('\n\n')
}

function formatCase(result: CaseResult, metrics: readonly Metric[]): string {
  const { name, notes = [], aims = [] } = result
  const parts = [formatFigures(result, metrics), ...formatRatios(result, metrics)]
  if (notes.length > 0) parts.push(notes.map(note => `[${name}] ${note}`).join('\n'))
  if (aims.length > 0) parts.push(aims.map(aim => formatAim(name, aim, metrics)).join('\n'))
  return parts.join('\n\n')
}

function formatAim(
  name: string,
  { subject, metric, to, atLeast, atMost, measured, met }: JudgedAim,
  metrics: readonly Metric[],
): string {
  const title = metrics.find(({ key }) => key === metric)?.title ?? metric
  const unit = to === undefined ? title : `x ${to}`
  const wanted = atLeast === undefined ? `at most ${atMost}` : `at least ${atLeast}`
  const verdict =
    measured === undefined ? 'not measured' : `${formatNumber(measured)}: ${met ? 'met' : 'MISSED'}`
  return `[${name}] aim: ${subject} ${wanted} ${unit}: ${verdict}`
}
