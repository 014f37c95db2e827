import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
} from 'node:fs'
import { hasCode } from './system-error.ts'

export const PRIVATE_FILE = 0o600
export const PRIVATE_DIRECTORY = 0o700
/** Not followed when it is a link, not waited for when it is a pipe. Windows has neither flag. */
const READ_FLAGS = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)

/**
 * What others own, or may change, is not to be trusted with tickets. `forbidden`: permission bits that must not be set. Windows has neither
 * owners nor bits in this sense.
 */
export function checkOwn(path: string, forbidden: number): void {
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
export class UnusableFile extends Error {}

/** Throws UnusableFile for what is no file, or has more bytes than that. */
export function readBounded(path: string, maxBytes: number): Buffer {
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

export function makeIfMissing(directory: string): void {
  try {
    mkdirSync(directory, { mode: PRIVATE_DIRECTORY })
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error
  }
}

/** False: there is nothing of that name (any more). */
export function renameIfThere(from: string, to: string): boolean {
  try {
    renameSync(from, to)
    return true
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return false
    throw error
  }
}

/** Nothing when it is gone. */
export function listOf(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return []
    throw error
  }
}

/** What somebody puts into it meanwhile, who had found it under its name before, stays as a leftover. */
export function removeTree(path: string): void {
  try {
    rmSync(path, { force: true, recursive: true })
  } catch (error) {
    if (!hasCode(error, 'ENOTEMPTY')) throw error
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
