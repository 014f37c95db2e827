import { createHash } from 'node:crypto'
import { MAX_SIBLING_BYTES } from './record-store.ts'

/**
 * What is kept of an origin, as a file: JSON that people and their tools can read, since no secret is in it,
 * whose first line says the version and the checksum of all that comes after it:
 *
 *     {"version":1,"sha256":"43 characters of base64url",
 *     "origin":"https://example.com",
 *     "facts":{…}}
 *
 * The checksum tells a file that was cut or damaged from a good one (no fsync is called, so that a power
 * failure may leave an empty file). It vouches for nothing: who may write into the directory may write what
 * he likes, and the reader of the facts checks their shape.
 */
export type RecordFile =
  | { readonly kind: 'record'; readonly origin: string; readonly facts: unknown }
  /** Written by another version of us, and whole: not to be understood, nor to be removed. */
  | { readonly kind: 'foreign'; readonly version: number }
  | { readonly kind: 'damaged'; readonly because: string }

const VERSION = 1
/** All versions begin like this, so that each knows a file of another one from a damaged one. */
const FIRST_LINE = /^\{"version":([1-9][0-9]{0,5}),"sha256":"([\w-]{43})",\n/
const MAX_FIRST_LINE_BYTES = 96

/**
 * Undefined when the facts are none (JSON has no undefined) or too many. Throws on what JSON cannot say at
 * all, as a circle.
 */
export function encodeRecordFile(origin: string, facts: unknown): Buffer | undefined {
  // By its type a string, but undefined for undefined, a function or a symbol.
  const text = JSON.stringify(facts, undefined, 1) as string | undefined
  if (text === undefined) return undefined
  const rest = `"origin":${JSON.stringify(origin)},\n"facts":${text}}\n`
  const bytes = Buffer.from(`{"version":${VERSION},"sha256":"${checksum(VERSION, rest)}",\n${rest}`)
  return bytes.length <= MAX_SIBLING_BYTES ? bytes : undefined
}

/** Never throws. */
export function decodeRecordFile(bytes: Buffer): RecordFile {
  if (bytes.length > MAX_SIBLING_BYTES) return damaged(`${bytes.length} bytes, more than we write`)
  const head = FIRST_LINE.exec(bytes.toString('latin1', 0, MAX_FIRST_LINE_BYTES))
  if (head === null) return damaged(bytes.length === 0 ? 'empty' : 'not a record of ours')
  const [{ length }, digits, sum] = head
  const version = Number(digits)
  if (checksum(version, bytes.subarray(length)) !== sum)
    return damaged('cut or changed: the checksum does not fit')
  if (version !== VERSION) return { kind: 'foreign', version }
  return parse(bytes.toString('utf8'))
}

function parse(text: string): RecordFile {
  try {
    const record: unknown = JSON.parse(text)
    if (typeof record === 'object' && record !== null && 'origin' in record && 'facts' in record) {
      const { origin, facts } = record
      if (typeof origin === 'string') return { kind: 'record', origin, facts }
    }
  } catch {} // whoever wrote it knew how to make a checksum, and no JSON
  return damaged('not a record of ours, though the checksum fits')
}

function damaged(because: string): RecordFile {
  return { kind: 'damaged', because }
}

/** The version is in it, so that a flipped digit makes no file of another version. */
function checksum(version: number, rest: string | Buffer): string {
  return createHash('sha256').update(`${version}\n`).update(rest).digest('base64url')
}
