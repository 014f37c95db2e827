import { randomBytes } from 'node:crypto'
import {
  closeSync,
  fstatSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'

/**
 * The storage port: small records by name that outlive the process, and a key that seals them. Calls are synchronous, since a record must be
 * gone from the store before what is in it is used; they are rare (one per new connection) and small. They throw plain Errors.
 */
export interface StateStore {
  /** 32 bytes, made with the first call that finds none. */
  key(): Buffer
  /** Takes a record away: of several processes that ask at once, one gets it. Undefined: there is none. */
  claim(name: string): Buffer | undefined
  /** Replaces a record as a whole: nobody ever sees half of it. */
  write(name: string, bytes: Buffer): void
  remove(name: string): void
  /** Removes the records that were written longest ago, until `count` are left. */
  prune(count: number): void
}

const NAME = /^[A-Za-z0-9_-]{1,64}$/
const KEY_BYTES = 32
/** What is longer was not written by us. */
const MAX_RECORD_BYTES = 1024 * 1024
/** Half-done work of a process that died is cleared away when it is older than any that still works on it. */
const LEFTOVER_MS = 60_000
const PRIVATE_FILE = 0o600
const PRIVATE_DIRECTORY = 0o700

/** Records as files in a directory that is ours alone. Throws when it is not: see checkOwn. */
export class FileStore implements StateStore {
  readonly #keyFile: string
  readonly #records: string

  constructor(directory: string) {
    mkdirSync(directory, { recursive: true, mode: PRIVATE_DIRECTORY })
    checkOwn(directory, 0o022)
    this.#keyFile = join(directory, 'key')
    this.#records = join(directory, 'tickets')
    mkdirSync(this.#records, { recursive: true, mode: PRIVATE_DIRECTORY })
    checkOwn(this.#records, 0o077)
  }

  key(): Buffer {
    const known = this.#readKey()
    if (known !== undefined) return known
    const temporary = `${this.#keyFile}.${suffix()}`
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
    const own = `${this.#path(name)}.${suffix()}`
    try {
      renameSync(this.#path(name), own)
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return undefined
      throw error
    }
    try {
      return readBounded(own, MAX_RECORD_BYTES)
    } finally {
      rmSync(own, { force: true })
    }
  }

  write(name: string, bytes: Buffer): void {
    const temporary = `${this.#path(name)}.${suffix()}`
    try {
      writeFileSync(temporary, bytes, { mode: PRIVATE_FILE, flag: 'wx' })
      renameSync(temporary, this.#path(name))
    } catch (error) {
      rmSync(temporary, { force: true })
      throw error
    }
  }

  remove(name: string): void {
    rmSync(this.#path(name), { force: true })
  }

  prune(count: number): void {
    const records: { path: string; writtenAt: number }[] = []
    for (const name of readdirSync(this.#records)) {
      const path = join(this.#records, name)
      const stat = lstatSync(path, { throwIfNoEntry: false })
      if (stat === undefined) continue
      if (NAME.test(name)) records.push({ path, writtenAt: stat.mtimeMs })
      else if (Date.now() - stat.mtimeMs > LEFTOVER_MS) rmSync(path, { force: true, recursive: true })
    }
    records.sort((a, b) => b.writtenAt - a.writtenAt)
    for (const { path } of records.slice(count)) rmSync(path, { force: true, recursive: true })
  }

  #path(name: string): string {
    if (!NAME.test(name)) throw new Error('not the name of a record')
    return join(this.#records, name)
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

/**
 * What others own, or may change, is not to be trusted with tickets. `forbidden`: permission bits that must not be set. Windows has neither
 * owners nor bits in this sense.
 */
function checkOwn(path: string, forbidden: number): void {
  const user = process.getuid?.()
  if (user === undefined) return
  const stat = lstatSync(path)
  const { uid, mode } = stat
  if (stat.isSymbolicLink()) throw new Error(`${path} is a link`)
  if (uid !== user) throw new Error(`${path} belongs to another user`)
  if ((mode & forbidden) === 0) return
  const wanted =
    forbidden === 0o022 ? 'others may write into it (chmod go-w)' : 'others may read it (chmod go-rwx)'
  throw new Error(`${path}: ${wanted}`)
}

function readBounded(path: string, maxBytes: number): Buffer {
  const file = openSync(path, 'r')
  try {
    const { size } = fstatSync(file)
    if (size > maxBytes) throw new Error(`${path} has ${size} bytes, more than we write`)
    const bytes = Buffer.alloc(size)
    return bytes.subarray(0, readSync(file, bytes, 0, size, 0))
  } finally {
    closeSync(file)
  }
}

/** Not a record's name: a dot is in it. */
function suffix(): string {
  return `${process.pid}-${randomBytes(6).toString('hex')}.part`
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
