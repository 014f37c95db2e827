import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { JudgedAim } from './aims.ts'
import type { MachineFacts } from './machine.ts'
import type { CaseResult, Metric, ScenarioResult } from './scenario.ts'
import { formatNumber, formatTable } from './table.ts'

/** A scenario's tables for a terminal. */
export function formatScenario(result: ScenarioResult): string {
  const missing = result.unavailable.map(({ subject, because }) => `\n  not measured: ${subject}: ${because}`)
  const parts = [`${result.scenario}: ${result.description}${missing.join('')}`]
  for (const entry of result.cases) parts.push(formatCase(entry, result.metrics))
  return parts.join('\n\n')
}

function formatCase(
  { name, subjects, ratios, aims = [], notes = [] }: CaseResult,
  metrics: readonly Metric[],
): string {
  const rows = subjects.map(({ subject, median }) => [
    subject,
    ...metrics.map(metric => formatNumber(median[metric.key])),
  ])
  const tables = [`[${name}] medians\n${formatTable(['subject', ...metrics.map(m => m.title)], rows)}`]
  if (ratios.length > 0) {
    const title = metrics.find(metric => metric.key === ratios[0]?.metric)?.title ?? ''
    tables.push(
      `[${name}] ${title}, round by round\n${formatTable(
        ['subject / to', 'median', 'min', 'max', 'pairs'],
        ratios.map(({ subject, to, median, min, max, pairs }) => [
          `${subject} / ${to}`,
          `${median.toFixed(2)}x`,
          `${min.toFixed(2)}x`,
          `${max.toFixed(2)}x`,
          String(pairs),
        ]),
      )}`,
    )
  }
  if (notes.length > 0) tables.push(notes.map(note => `[${name}] ${note}`).join('\n'))
  if (aims.length > 0) tables.push(aims.map(aim => formatAim(name, aim, metrics)).join('\n'))
  return tables.join('\n\n')
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

/** Everything that a later reader needs to judge the figures. */
export interface ResultFile {
  startedAt: string
  arguments: readonly string[]
  settings: Readonly<Record<string, unknown>>
  machine: MachineFacts
  results: readonly ScenarioResult[]
}

/** Writes `DATE-TIME-scenarios.json` into the directory. Returns its path. */
export function writeResultFile(directory: string, file: ResultFile): string {
  mkdirSync(directory, { recursive: true })
  const when = file.startedAt.slice(0, 16).replace('T', '-').replace(':', '')
  const path = join(directory, `${when}-${file.results.map(result => result.scenario).join('+')}.json`)
  writeFileSync(path, `${JSON.stringify(file, roundNumbers, 2)}\n`)
  return path
}

/** Six significant digits: what lies below is noise and makes files that nobody can read. */
function roundNumbers(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(6)) : value
}
