import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readResultFile } from '../../src/bench/results/read-result-file.ts'
import { type ResultFile, resultText } from '../../src/bench/results/result-file.ts'
import { machineKind } from './machine-kind.ts'
import type { MicroTimes } from './measure-case.ts'

/** A result file like any other, so that `--compare` and the page read it too; its scenarios are suites. */
export interface MicroFile extends ResultFile {
  /** What a reader should know of the hour in which it was measured. */
  readonly note?: string
  readonly settings: MicroSettings
}

type MicroSettings = MicroTimes & {
  readonly rounds: number
  /** CALIBRATION_VERSION. */
  readonly calibration: number
}

/** One file for a kind of machine: the last that was stored. */
export function microPath(directory: string, machine: MicroFile['machine']): string {
  return join(directory, `${machineKind(machine)}.json`)
}

export function storeMicroFile(directory: string, file: MicroFile): string {
  mkdirSync(directory, { recursive: true })
  const path = microPath(directory, file.machine)
  writeFileSync(path, resultText(file))
  return path
}

/** What was stored for such a machine; undefined: nothing. Throws ResultFileError. */
export function readStored(directory: string, machine: MicroFile['machine']): ResultFile | undefined {
  const path = microPath(directory, machine)
  return existsSync(path) ? readResultFile(path) : undefined
}

export function noteOf(file: ResultFile): string | undefined {
  return 'note' in file && typeof file.note === 'string' ? file.note : undefined
}
