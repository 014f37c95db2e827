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
  type Stats,
} from 'node:fs'

export const PRIVATE_FILE = 0o600
export const PRIVATE_DIRECTORY = 0o700
/** A pipe is not waited for. Windows has no such flag, nor the next one. */
const FOLLOW_FLAGS = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)
const READ_FLAGS = FOLLOW_FLAGS | (constants.O_NOFOLLOW ?? 0)
const ROOT = 0

/**
 * What others own, or may change, is not to be trusted with tickets. `forbidden`: permission bits that must
 * not be set. Windows has neither owners nor bits in this sense.
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
  const file = openToRead(path, READ_FLAGS)
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

/**
 * The first `maxBytes` of a secret that the operator has put there for us. A link is followed: secrets that a
 * container mounts are links. Throws UnusableFile, in words for him.
 */
export function readSecret(path: string, maxBytes: number): Buffer {
  const file = openToRead(path, FOLLOW_FLAGS)
  try {
    const stat = fstatSync(file)
    if (!stat.isFile()) throw new UnusableFile(`${path} is no file`)
    const objection = secretObjection(stat, process.getuid?.())
    if (objection !== undefined) throw new UnusableFile(`${path}: ${objection}`)
    const bytes = Buffer.alloc(maxBytes)
    return bytes.subarray(0, readSync(file, bytes, 0, maxBytes, 0))
  } finally {
    closeSync(file)
  }
}

/**
 * Who else may read a secret? The rule is PostgreSQL's for its ssl_key_file: our own file is for us alone;
 * one that root owns may be for a group too, as containers and systemd hand secrets out. `user`: who we are;
 * undefined: Windows, which has no such bits.
 */
export function secretObjection(
  { uid, mode }: Pick<Stats, 'uid' | 'mode'>,
  user: number | undefined,
): string | undefined {
  if (user === undefined) return undefined
  if (uid !== user && uid !== ROOT) return 'it belongs to another user'
  if ((mode & 0o022) !== 0) return 'others may write into it (chmod go-w)'
  if ((mode & 0o007) !== 0) return 'others may read it (chmod o-rwx)'
  // Root's own processes have no need of a group.
  if ((mode & 0o070) !== 0 && uid === user) return 'its group may read it (chmod g-rwx)'
  return undefined
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

function openToRead(path: string, flags: number): number {
  try {
    return openSync(path, flags)
  } catch (error) {
    if (hasCode(error, 'ELOOP')) throw new UnusableFile(`${path} is a link`)
    if (hasCode(error, 'EACCES')) throw new UnusableFile(`${path} may not be read by us`)
    if (hasCode(error, 'ENXIO')) throw new UnusableFile(`${path} is no file`) // a socket
    throw error
  }
}

/**
 * What the system says holds the random name of a file: who reports a fault once must get the same words each
 * time.
 */
export function plainError(directory: string, verb: string, cause: unknown): unknown {
  if (!(cause instanceof Error) || !('code' in cause)) return cause
  return new Error(`${directory} cannot be ${verb}: ${String(cause.code)}`, { cause })
}

export function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
