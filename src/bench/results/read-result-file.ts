import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs'
import { z } from 'zod'
import { RESULT_FORMAT, type ResultFile } from './result-file.ts'
import { resultFileSchema } from './result-schema.ts'

/** Charts included, a long run makes a few megabytes. */
export const MAX_RESULT_BYTES = 64 * 1024 * 1024
/** Of what is wrong in a file, so many are told. */
const MAX_FAULTS = 3

/** The file cannot be had, or is no result file that this version can read. The message says where in it. */
export class ResultFileError extends Error {
  override readonly name = 'ResultFileError'
}

/** Reads what writeResultFile wrote. Throws ResultFileError. */
export function readResultFile(path: string): ResultFile {
  return parseResultFile(readBounded(path), path)
}

/** `name` stands in messages. */
export function parseResultFile(text: string, name: string): ResultFile {
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch (error) {
    throw new ResultFileError(`${name}: no JSON: ${error instanceof Error ? error.message : String(error)}`)
  }
  // Of another format nearly every field may be wrong: that one says why.
  const known = z.looseObject({ format: z.literal(RESULT_FORMAT).optional() }).safeParse(document)
  if (known.success) {
    const parsed = resultFileSchema.safeParse(document)
    if (parsed.success) return parsed.data
    throw new ResultFileError(`${name}: not a result file of this version: ${describe(parsed.error)}`)
  }
  const isFormat = known.error.issues[0]?.path[0] === 'format'
  const why = isFormat ? `this version reads format ${RESULT_FORMAT}: ` : ''
  throw new ResultFileError(`${name}: not a result file of this version: ${why}${describe(known.error)}`)
}

function describe({ issues }: z.ZodError): string {
  const faults = issues.slice(0, MAX_FAULTS).map(({ path, message }) => {
    const where = z.core.toDotPath(path)
    return where === '' ? message : `${where}: ${message}`
  })
  const more = issues.length - faults.length
  return faults.join('; ') + (more > 0 ? `; and ${more} more` : '')
}

function readBounded(path: string): string {
  let file: number | undefined
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK) // a pipe without a writer would hang
    const stat = fstatSync(file) // of the file that is then read, whatever happens to its name
    if (!stat.isFile()) throw new ResultFileError(`${path}: not a regular file`)
    const { size } = stat
    if (size > MAX_RESULT_BYTES)
      throw new ResultFileError(`${path}: ${size} bytes; a result file has at most ${MAX_RESULT_BYTES}`)
    return readFileSync(file, 'utf8')
  } catch (error) {
    if (error instanceof ResultFileError) throw error
    throw new ResultFileError(`${path}: ${error instanceof Error ? error.message : String(error)}`)
  } finally {
    if (file !== undefined) closeSync(file)
  }
}
