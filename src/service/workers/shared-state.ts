import { lstatSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Where Linux keeps files in memory: tickets are on no disk there. */
const IN_MEMORY = '/dev/shm'
/** Names the process that is to remove the directory. */
const OWNER = 'owner'
const PRIVATE_FILE = 0o600

/**
 * Where the workers of one service keep tickets and what they know of origins together, though the
 * configuration names no `state.directory`: a directory that nobody else may read, for as long as the service
 * runs.
 */
export class SharedState {
  readonly directory: string

  private constructor(directory: string) {
    this.directory = directory
  }

  /**
   * `inherited`: that of a predecessor, which goes on being used if it is ours. Throws what the system says.
   */
  static open(inherited: string | undefined, places: readonly string[] = [IN_MEMORY, tmpdir()]): SharedState {
    const state = new SharedState(isOwn(inherited) ? inherited : make(places))
    state.own()
    return state
  }

  /** It is this process that removes it, whoever has said so before. Throws what the system says. */
  own(): void {
    writeFileSync(join(this.directory, OWNER), String(process.pid), { mode: PRIVATE_FILE })
  }

  /** Unless a successor has it by now. */
  remove(): void {
    removeStateOf(process.pid, this.directory)
  }
}

/** Removes the directory of a service whose supervisor was that process, unless another one has it. */
export function removeStateOf(supervisor: number, directory: string): void {
  try {
    if (readFileSync(join(directory, OWNER), 'latin1') === String(supervisor))
      rmSync(directory, { recursive: true, force: true })
  } catch {
    // It is gone, or in somebody else's hands.
  }
}

function make(places: readonly string[]): string {
  let failure: unknown
  for (const place of places) {
    try {
      return mkdtempSync(join(place, 'middlemile-')) // mode 0700
    } catch (error) {
      failure = error
    }
  }
  throw failure
}

/** A directory that is nobody else's. */
function isOwn(directory: string | undefined): directory is string {
  if (directory === undefined) return false
  const stats = lstatSync(directory, { throwIfNoEntry: false })
  return stats?.isDirectory() === true && stats.uid === process.getuid?.() && (stats.mode & 0o077) === 0
}
