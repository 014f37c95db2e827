import { randomBytes } from 'node:crypto'
import {
  closeSync,
  constants,
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
import { MAX_SIBLING_BYTES, type RecordStore, type Sibling } from './record-store.ts'

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
/** A sibling's file, and where one goes that cannot be used: it stays there for people, until the next one comes. */
const SIBLING = /^([A-Za-z0-9_-]{1,64})\.json$/
const DAMAGED = 'damaged'
/** One per process that wrote at the same moment: what is beyond waits for the next writer. */
const MAX_SIBLINGS = 64
/** So often is a directory looked at again that others change meanwhile. */
const MAX_TRIES = 64
/** Not followed when it is a link, not waited for when it is a pipe. Windows has neither flag. */
const READ_FLAGS = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)

/** Records as files in a directory that is ours alone. Throws when it is not: see checkOwn. */
export class FileStore implements StateStore {
  readonly #directory: string
  readonly #keyFile: string
  readonly #records: string

  constructor(directory: string) {
    mkdirSync(directory, { recursive: true, mode: PRIVATE_DIRECTORY })
    checkOwn(directory, 0o022)
    this.#directory = directory
    this.#keyFile = join(directory, 'key')
    this.#records = join(directory, 'tickets')
    mkdirSync(this.#records, { recursive: true, mode: PRIVATE_DIRECTORY })
    checkOwn(this.#records, 0o077)
  }

  /** What is kept of origins. Throws when its directory cannot be used. */
  openOrigins(): RecordStore {
    return new FileRecords(join(this.#directory, 'origins'))
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
      throw plainError(this.#records, 'written into', error)
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
      throw plainError(this.#records, 'written into', error)
    }
  }

  remove(name: string): void {
    rmSync(this.#path(name), { force: true })
  }

  prune(count: number): void {
    prune(this.#records, count, name => rmSync(this.#path(name), { force: true, recursive: true }))
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
 * Records as directories, each of their siblings as a file: `origins/NAME/ID.json`. A file gets its name when it is whole and never changes
 * after that; a listing of so few names is one system call, which sees a sibling, or the one that replaced it, or both.
 */
class FileRecords implements RecordStore {
  readonly #directory: string
  /** Of this process: how it tells its siblings from those of others. */
  readonly #writer = randomBytes(6).toString('hex')
  #written = 0

  constructor(directory: string) {
    makeIfMissing(directory)
    checkOwn(directory, 0o077)
    this.#directory = directory
  }

  siblings(name: string): Sibling[] {
    return this.#plainly('read', () => {
      const record = this.#path(name)
      let found: Sibling[] = []
      for (let tries = 0; tries < MAX_TRIES; tries++) {
        const ids = idsOf(record)
        found = ids.flatMap(id => this.#sibling(record, id) ?? [])
        if (found.length === ids.length) break
        // One was replaced between the listing and the reading: what replaced it holds what it held.
      }
      return found
    })
  }

  replace(name: string, bytes: Buffer, superseded: readonly string[]): void {
    this.#plainly('written into', () => {
      const record = this.#path(name)
      for (let tries = 1; !this.#add(record, bytes); tries++) {
        if (tries === MAX_TRIES) throw new Error(`${record} is removed again and again`)
      }
      for (const id of superseded) rmSync(join(record, `${id}.json`), { force: true })
      for (const file of listOf(record)) if (file.endsWith('.part')) removeLeftover(join(record, file))
    })
  }

  setAside(name: string, id: string): string | undefined {
    return this.#plainly('written into', () => {
      const record = this.#path(name)
      const own = join(record, `${id}.json`)
      const aside = join(record, DAMAGED)
      try {
        if (renameIfThere(own, aside)) return aside
      } catch {
        rmSync(aside, { force: true, recursive: true }) // a directory and what is none do not replace each other
        if (renameIfThere(own, aside)) return aside
      }
      return undefined
    })
  }

  remove(name: string): void {
    this.#plainly('written into', () => {
      const record = this.#path(name)
      // Away from its name first: who adds a sibling meanwhile finds no directory, and makes a new one.
      const gone = `${record}.${suffix()}`
      if (renameIfThere(record, gone)) removeTree(gone)
    })
  }

  prune(count: number): void {
    this.#plainly('written into', () => prune(this.#directory, count, name => this.remove(name)))
  }

  #sibling(record: string, id: string): Sibling | undefined {
    const isOwn = id.startsWith(`${this.#writer}-`)
    try {
      return { id, isOwn, content: readBounded(join(record, `${id}.json`), MAX_SIBLING_BYTES) }
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return undefined
      if (!(error instanceof UnusableFile)) throw error // the machine's trouble, not the file's
      return { id, isOwn, content: error.message }
    }
  }

  /** False: somebody has removed the directory meanwhile. */
  #add(record: string, bytes: Buffer): boolean {
    this.#makeDirectory(record)
    const temporary = join(record, suffix())
    this.#written += 1
    try {
      checkOwn(record, 0o077)
      writeFileSync(temporary, bytes, { mode: PRIVATE_FILE, flag: 'wx' })
      return renameIfThere(temporary, join(record, `${this.#writer}-${this.#written}.json`))
    } catch (error) {
      rmSync(temporary, { force: true })
      if (hasCode(error, 'ENOENT')) return false
      throw error
    }
  }

  #makeDirectory(record: string): void {
    try {
      makeIfMissing(record)
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error
      // Somebody has emptied the state directory. If he has removed it he wants it gone, and this throws.
      makeIfMissing(this.#directory)
      makeIfMissing(record)
    }
  }

  #plainly<T>(verb: string, work: () => T): T {
    try {
      return work()
    } catch (error) {
      throw plainError(this.#directory, verb, error)
    }
  }

  #path(name: string): string {
    if (!NAME.test(name)) throw new Error('not the name of a record')
    return join(this.#directory, name)
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

/** What lies there was not written by us, or is not what we wrote. */
class UnusableFile extends Error {}

function readBounded(path: string, maxBytes: number): Buffer {
  const file = openToRead(path)
  try {
    const stat = fstatSync(file)
    if (!stat.isFile()) throw new UnusableFile(`${path} is no file`)
    if (stat.size > maxBytes) throw new UnusableFile(`${path} has ${stat.size} bytes, more than we write`)
    const bytes = Buffer.alloc(stat.size)
    return bytes.subarray(0, readSync(file, bytes, 0, stat.size, 0))
  } finally {
    closeSync(file)
  }
}

function openToRead(path: string): number {
  try {
    return openSync(path, READ_FLAGS)
  } catch (error) {
    if (hasCode(error, 'ELOOP')) throw new UnusableFile(`${path} is a link`)
    if (hasCode(error, 'EACCES')) throw new UnusableFile(`${path} may not be read by us`)
    if (hasCode(error, 'ENXIO')) throw new UnusableFile(`${path} is no file`) // a socket
    throw error
  }
}

/** The siblings that lie in a record's directory. None when it is not there, or not any more. */
function idsOf(record: string): string[] {
  try {
    checkOwn(record, 0o077)
    return readdirSync(record)
      .flatMap(file => SIBLING.exec(file)?.[1] ?? [])
      .slice(0, MAX_SIBLINGS)
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return []
    if (hasCode(error, 'ENOTDIR')) throw new Error(`${record} is no directory`, { cause: error })
    throw error
  }
}

/** What somebody puts into it meanwhile, who had found it under its name before, stays as a leftover. */
function removeTree(path: string): void {
  try {
    rmSync(path, { force: true, recursive: true })
  } catch (error) {
    if (!hasCode(error, 'ENOTEMPTY')) throw error
  }
}

/** False: there is nothing of that name (any more). */
function renameIfThere(from: string, to: string): boolean {
  try {
    renameSync(from, to)
    return true
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return false
    throw error
  }
}

/** Nothing when it is gone. */
function listOf(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return []
    throw error
  }
}

/** Removes what was written longest ago of what has the name of a record, until `count` are left, and leftovers. */
function prune(directory: string, count: number, remove: (name: string) => void): void {
  const files = listOf(directory)
  const names = files.filter(file => NAME.test(file))
  for (const file of files) if (!NAME.test(file)) removeLeftover(join(directory, file))
  if (names.length <= count) return
  const records = names.map(name => ({
    name,
    writtenAt: lstatSync(join(directory, name), { throwIfNoEntry: false })?.mtimeMs ?? 0,
  }))
  records.sort((a, b) => b.writtenAt - a.writtenAt)
  for (const { name } of records.slice(count)) remove(name)
}

function makeIfMissing(directory: string): void {
  try {
    mkdirSync(directory, { mode: PRIVATE_DIRECTORY })
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error
  }
}

function removeLeftover(path: string): void {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  if (stat !== undefined && Date.now() - stat.mtimeMs > LEFTOVER_MS) removeTree(path)
}

/** Not a record's name: a dot is in it. */
function suffix(): string {
  return `${process.pid}-${randomBytes(6).toString('hex')}.part`
}

/** What the system says holds the random name of a file: who tells a fault once must get the same words each time. */
function plainError(directory: string, verb: string, cause: unknown): unknown {
  if (!(cause instanceof Error) || !('code' in cause)) return cause
  return new Error(`${directory} cannot be ${verb}: ${String(cause.code)}`, { cause })
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
