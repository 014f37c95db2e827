import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { MachineFacts } from './machine-facts.ts'
import type { ScenarioResult } from './scenario-result.ts'

/** Everything that a later reader needs to judge the figures. */
export interface ResultFile {
  startedAt: string
  arguments: readonly string[]
  settings: Readonly<Record<string, unknown>>
  machine: MachineFacts
  results: readonly ScenarioResult[]
}

/** Of the files that are written; those without one are of the same shape, and older. It grows when old readers would misread new files. */
export const RESULT_FORMAT = 1

/** A name of more than 255 bytes is none. */
const MAX_NAME = 120

/** Writes `DATE-TIME-scenarios.json` into the directory; of very many scenarios their number. Returns its path. */
export function writeResultFile(directory: string, file: ResultFile): string {
  mkdirSync(directory, { recursive: true })
  const when = file.startedAt.slice(0, 16).replace('T', '-').replace(':', '')
  const names = file.results.map(result => result.scenario).join('+')
  const what = names.length > MAX_NAME ? `${file.results.length}-scenarios` : names
  const path = join(directory, `${when}-${what}.json`)
  writeFileSync(path, resultText(file))
  return path
}

/** The document that readResultFile reads. */
export function resultText(file: ResultFile): string {
  return `${JSON.stringify({ format: RESULT_FORMAT, ...file }, roundNumbers, 2)}\n`
}

/** Six significant digits: what lies below is noise and makes files that nobody can read. */
function roundNumbers(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(6)) : value
}
