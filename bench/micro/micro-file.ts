import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type ResultFile, readResultFile, resultText } from '../../src/bench/results/result-file.ts'
import type { MachineFacts } from '../../src/bench/results/scenario-result.ts'
import type { MicroTimes } from './measure-case.ts'

/**
 * The name of the file that figures of such machines stand in: CPU model, cores, version of Node. Beyond that
 * they are not compared, whatever the calibration says: other caches and another compiler make other figures.
 */
export function machineKind({
  cpuModel,
  cores,
  versions,
}: Pick<MachineFacts, 'cpuModel' | 'cores' | 'versions'>): string {
  const node = versions['node'] ?? 'unknown'
  return [cpuModel, `${cores}-cores`, `node-${node}`].map(asFileName).join('_')
}

function asFileName(text: string): string {
  const name = text.toLowerCase().replaceAll(/[^a-z\d.]+/g, '-')
  return name.replaceAll(/^[-.]+|[-.]+$/g, '') || 'unknown'
}

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
