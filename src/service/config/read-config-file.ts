import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import type { ReadConfig } from './read-config.ts'

/**
 * Reads and validates a configuration file. A file that cannot be read is a fault like any other.
 *
 * @example
 * ```ts
 * const read = await readConfigFile('middlemile.yaml')
 * console.log(read.ok ? 'good' : read.faults[0]?.message)
 * ```
 */
export async function readConfigFile(file: string): Promise<ReadConfig> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    return { ok: false, faults: [{ path: '', message: `cannot read the configuration: ${message}` }] }
  }
  // The parser of YAML is loaded by whoever has a file: a program that hands over an object does without.
  const { readConfigText } = await import('./read-config.ts')
  return readConfigText(text, dirname(resolve(file)))
}
