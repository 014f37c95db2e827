import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { MachineFacts, ScenarioResult } from './scenario-result.ts'

/** Everything that a later reader needs to judge the figures. */
export interface ResultFile {
  startedAt: string
  arguments: readonly string[]
  settings: Readonly<Record<string, unknown>>
  machine: MachineFacts
  results: readonly ScenarioResult[]
}

/**
 * Of the files that are written; those without one are of the same shape, and older. It grows when old
 * readers would misread new files.
 */
export const RESULT_FORMAT = 1

/** A name of more than 255 bytes is none. */
const MAX_NAME = 120

/**
 * Writes `DATE-TIME-scenarios.json` into the directory; of very many scenarios their number. Returns its
 * path.
 */
export function writeResultFile(directory: string, file: ResultFile): string {
  mkdirSync(directory, { recursive: true })
  const when = file.startedAt.slice(0, 16).replace('T', '-').replace(':', '')
  const names = file.results.map(result => result.scenario).join('+')
  const what = names.length > MAX_NAME ? `${file.results.length}-scenarios` : names
  const path = join(directory, `${when}-${what}.json`)
  writeFileSync(path, resultText(file))
  return path
}

/**
 * The document that readResultFile reads: a line for each figure, and one for all the material of a subject's
 * charts, of which there is much.
 */
export function resultText(file: ResultFile): string {
  return `${indented({ format: RESULT_FORMAT, ...file }, '')}\n`
}

function indented(value: unknown, indent: string): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(roundNumber('', value) ?? null)
  const deeper = `${indent}  `
  const isList = Array.isArray(value)
  const lines = Object.entries(value)
    .filter(([, entry]) => isList || entry !== undefined)
    .map(([key, entry]) => {
      const text = key === 'detail' ? JSON.stringify(entry, roundNumber) : indented(entry, deeper)
      return `\n${deeper}${isList ? '' : `${JSON.stringify(key)}: `}${text}`
    })
  const [open, close] = isList ? '[]' : '{}'
  return lines.length === 0 ? `${open}${close}` : `${open}${lines.join(',')}\n${indent}${close}`
}

/** Six significant digits: what lies below is noise and makes files that nobody can read. */
function roundNumber(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(6)) : value
}
