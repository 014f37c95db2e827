import { randomBytes } from 'node:crypto'
import { lstatSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  checkOwn,
  hasCode,
  listOf,
  makeIfMissing,
  PRIVATE_FILE,
  plainError,
  readBounded,
  removeTree,
  renameIfThere,
  UnusableFile,
} from './private-files.ts'
import { MAX_SIBLING_BYTES, type RecordStore, type Sibling } from './record-store.ts'

/**
 * A sibling's file, and where one goes that cannot be used: it stays there for people, until the next one
 * comes.
 */
const SIBLING = /^([A-Za-z0-9_-]{1,64})\.json$/
const DAMAGED = 'damaged'
/** One per process that wrote at the same moment: what is beyond waits for the next writer. */
const MAX_SIBLINGS = 64
/** So often is a directory looked at again that others change meanwhile. */
const MAX_TRIES = 64

/**
 * Records as directories, each of their siblings as a file: `origins/NAME/ID.json`. A file gets its name when
 * it is whole and never changes after that; a listing of so few names is one system call, which sees a
 * sibling, or the one that replaced it, or both.
 */
export class FileRecords implements RecordStore {
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
      const record = recordPath(this.#directory, name)
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
      const record = recordPath(this.#directory, name)
      for (let tries = 1; !this.#add(record, bytes); tries++) {
        if (tries === MAX_TRIES) throw new Error(`${record} is removed again and again`)
      }
      for (const id of superseded) rmSync(join(record, `${id}.json`), { force: true })
      for (const file of listOf(record)) if (file.endsWith('.part')) removeLeftover(join(record, file))
    })
  }

  setAside(name: string, id: string): string | undefined {
    return this.#plainly('written into', () => {
      const record = recordPath(this.#directory, name)
      const own = join(record, `${id}.json`)
      const aside = join(record, DAMAGED)
      try {
        if (renameIfThere(own, aside)) return aside
      } catch {
        rmSync(aside, { force: true, recursive: true }) // a file does not replace a directory
        if (renameIfThere(own, aside)) return aside
      }
      return undefined
    })
  }

  remove(name: string): void {
    this.#plainly('written into', () => {
      const record = recordPath(this.#directory, name)
      // Away from its name first: who adds a sibling meanwhile finds no directory, and makes a new one.
      const gone = `${record}.${unfinishedSuffix()}`
      if (renameIfThere(record, gone)) removeTree(gone)
    })
  }

  prune(count: number): void {
    this.#plainly('written into', () => pruneRecords(this.#directory, count, name => this.remove(name)))
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
    const temporary = join(record, unfinishedSuffix())
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

const NAME = /^[A-Za-z0-9_-]{1,64}$/
/** Half-done work of a process that died is cleared away when it is older than any that still works on it. */
const LEFTOVER_MS = 60_000

/** Where a record of this name lies. Throws for what is no name of one. */
export function recordPath(directory: string, name: string): string {
  if (!NAME.test(name)) throw new Error('not the name of a record')
  return join(directory, name)
}

/** Of what is not finished. Makes a name that is no record's: a dot is in it. */
export function unfinishedSuffix(): string {
  return `${process.pid}-${randomBytes(6).toString('hex')}.part`
}

/**
 * Removes what was written longest ago of what has the name of a record, until `count` are left, and
 * leftovers.
 */
export function pruneRecords(directory: string, count: number, remove: (name: string) => void): void {
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

function removeLeftover(path: string): void {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  if (stat !== undefined && Date.now() - stat.mtimeMs > LEFTOVER_MS) removeTree(path)
}
