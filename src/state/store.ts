import { randomBytes } from 'node:crypto'
import { linkSync, lstatSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { FileRecords, pruneRecords, recordPath, unfinishedSuffix } from './file-records.ts'
import {
  checkOwn,
  hasCode,
  PRIVATE_DIRECTORY,
  PRIVATE_FILE,
  plainError,
  readBounded,
  readSecret,
  UnusableFile,
} from './private-files.ts'
import type { RecordStore } from './record-store.ts'

/** AES-256. */
const KEY_BYTES = 32
/** As `openssl rand` writes it: `-hex 32`, or `-base64 32`. */
const HEXADECIMAL = /^[0-9a-f]{64}$/i
const BASE64 = /^[0-9a-z+/]{43}=$/i
/**
 * 32 characters of text are no 32 random bytes (one key in 10^13 is mistaken for it), but half a key in
 * hexadecimal, or a pass phrase.
 */
const TEXT = /^[\t\n\r\x20-\x7e]*$/
/** The longest form, with a line break of two bytes. */
const MAX_KEY_FILE_BYTES = 66

/** The key in a file that the operator has made. Undefined for what is not exactly one. */
export function decodeOperatorKey(bytes: Buffer): Buffer | undefined {
  if (bytes.length > MAX_KEY_FILE_BYTES) return undefined
  const text = bytes.toString('latin1').replace(/\r?\n$/, '')
  if (HEXADECIMAL.test(text)) return Buffer.from(text, 'hex')
  if (BASE64.test(text)) return Buffer.from(text, 'base64')
  return bytes.length === KEY_BYTES && !TEXT.test(bytes.toString('latin1')) ? Buffer.from(bytes) : undefined
}

/**
 * The storage port: small records by name that outlive the process, and a key that seals them. Calls are
 * synchronous, since a record must be gone from the store before what is in it is used; they are rare (one
 * per new connection) and small. They throw plain Errors.
 */
export interface StateStore {
  /** 32 bytes; where nobody has given any, made with the first call that finds none. */
  key(): Buffer
  /** Takes a record away: of several processes that ask at once, one gets it. Undefined: there is none. */
  claim(name: string): Buffer | undefined
  /** Replaces a record as a whole: nobody ever sees half of it. */
  write(name: string, bytes: Buffer): void
  remove(name: string): void
  /** Removes the records that were written longest ago, until `count` are left. */
  prune(count: number): void
}

/** What is longer was not written by us. */
const MAX_RECORD_BYTES = 1024 * 1024

/** Records as files in a directory that is ours alone. Throws when it is not: see checkOwn. */
export class FileStore implements StateStore {
  readonly #directory: string
  readonly #keyFile: string
  readonly #records: string
  /** Of the operator. */
  readonly #givenKeyFile: string | undefined

  /**
   * `keyFile`: made by the operator, in a form that decodeOperatorKey() takes. Undefined: `key` in the
   * directory, which is made.
   */
  constructor(directory: string, keyFile?: string) {
    mkdirSync(directory, { recursive: true, mode: PRIVATE_DIRECTORY })
    checkOwn(directory, 0o022)
    this.#directory = directory
    this.#keyFile = join(directory, 'key')
    this.#givenKeyFile = keyFile
    this.#records = join(directory, 'tickets')
    mkdirSync(this.#records, { recursive: true, mode: PRIVATE_DIRECTORY })
    checkOwn(this.#records, 0o077)
  }

  /** What is kept of origins. Throws when its directory cannot be used. */
  openOrigins(): RecordStore {
    return new FileRecords(join(this.#directory, 'origins'))
  }

  key(): Buffer {
    if (this.#givenKeyFile !== undefined) return givenKey(this.#givenKeyFile)
    const known = this.#readKey()
    if (known !== undefined) return known
    const temporary = `${this.#keyFile}.${unfinishedSuffix()}`
    writeFileSync(temporary, randomBytes(KEY_BYTES), { mode: PRIVATE_FILE, flag: 'wx' })
    try {
      linkSync(temporary, this.#keyFile) // whole or not at all, and never over another process's
    } catch (error) {
      if (!hasCode(error, 'EEXIST')) throw error
    } finally {
      rmSync(temporary, { force: true })
    }
    const made = this.#readKey()
    if (made === undefined) throw new Error(`${this.#keyFile} cannot be made`)
    return made
  }

  claim(name: string): Buffer | undefined {
    const own = `${recordPath(this.#records, name)}.${unfinishedSuffix()}`
    try {
      renameSync(recordPath(this.#records, name), own)
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return undefined
      throw plainError(this.#records, 'written into', error)
    }
    try {
      return readBounded(own, MAX_RECORD_BYTES)
    } finally {
      rmSync(own, { force: true })
    }
  }

  write(name: string, bytes: Buffer): void {
    const temporary = `${recordPath(this.#records, name)}.${unfinishedSuffix()}`
    try {
      writeFileSync(temporary, bytes, { mode: PRIVATE_FILE, flag: 'wx' })
      renameSync(temporary, recordPath(this.#records, name))
    } catch (error) {
      rmSync(temporary, { force: true })
      throw plainError(this.#records, 'written into', error)
    }
  }

  remove(name: string): void {
    rmSync(recordPath(this.#records, name), { force: true })
  }

  prune(count: number): void {
    pruneRecords(this.#records, count, name =>
      rmSync(recordPath(this.#records, name), { force: true, recursive: true }),
    )
  }

  #readKey(): Buffer | undefined {
    if (lstatSync(this.#keyFile, { throwIfNoEntry: false }) === undefined) return undefined
    checkOwn(this.#keyFile, 0o077)
    const key = readBounded(this.#keyFile, KEY_BYTES)
    if (key.length !== KEY_BYTES)
      throw new Error(`${this.#keyFile} is no key of ours: it must have ${KEY_BYTES} bytes`)
    return key
  }
}

function givenKey(path: string): Buffer {
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined) throw new UnusableFile(`${path} is not there`)
  const key = decodeOperatorKey(readSecret(path, MAX_KEY_FILE_BYTES + 1)) // one more tells a longer file
  if (key !== undefined) return key
  throw new UnusableFile(
    `${path} holds no key: ${KEY_BYTES} random bytes, plain, in hexadecimal or in base64`,
  )
}
