import { accessSync, constants, statSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { compareResults } from '../../bench/report/compare.ts'
import { formatComparison } from '../../bench/report/compare-text.ts'
import { renderHtml } from '../../bench/report/html.ts'
import { formatFile, type ReportScreen } from '../../bench/report/text.ts'
import { ResultFileError, readResultFile } from '../../bench/results/read-result-file.ts'
import { type ResultFile, resultText } from '../../bench/results/result-file.ts'
import { type CliIo, EXIT } from '../command.ts'
import { usageError } from '../parse-options.ts'

/** Throws a usage error for a file that could not be written after a long run. */
export function checkOutputs({ json, html }: { json: string | undefined; html: string | undefined }): void {
  for (const [option, path] of Object.entries({ json, html })) {
    if (path === undefined || (option === 'json' && path === '-')) continue
    if (path === '') throw usageError(`--${option} needs the name of a file`)
    try {
      const found = statSync(path, { throwIfNoEntry: false })
      if (found?.isDirectory() === true) throw new Error(`${path} is a directory`)
      accessSync(found === undefined ? dirname(path) : path, constants.W_OK)
    } catch (error) {
      throw usageError(`--${option}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
}

/** `json`: a file, or `-` for standard output, where the table then does not go. */
export function writeResults(
  file: ResultFile,
  { json, html }: { json: string | undefined; html: string | undefined },
  io: CliIo,
): void {
  if (json === '-') io.write(resultText(file))
  else io.write(`${formatFile(file, reportScreen(io))}\n`)
  if (json !== undefined && json !== '-') writeFileSync(json, resultText(file))
  if (html !== undefined) writeFileSync(html, renderHtml(file))
}

/** In a pipe lines are as long as they are, for whoever searches them. */
function reportScreen({ screen }: CliIo): ReportScreen {
  return {
    columns: screen.isTerminal ? screen.columns : undefined,
    paint: (style, text) => screen.paint(style, text),
  }
}

/** `--compare A.json B.json`. */
export function compareFiles(paths: readonly string[], io: CliIo): number {
  const [a, b] = paths
  if (a === undefined || b === undefined || paths.length > 2)
    throw usageError('--compare needs two result files and no URL')
  try {
    const comparison = compareResults(readResultFile(a), readResultFile(b))
    io.write(`${formatComparison(comparison, reportScreen(io))}\n`)
  } catch (error) {
    if (error instanceof ResultFileError) throw usageError(error.message)
    throw error
  }
  return EXIT.ok
}
