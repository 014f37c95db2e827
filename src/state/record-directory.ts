import { randomBytes } from 'node:crypto'
import { lstatSync } from 'node:fs'
import { join } from 'node:path'
import { listOf, removeTree } from './private-files.ts'

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

export function removeLeftover(path: string): void {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  if (stat !== undefined && Date.now() - stat.mtimeMs > LEFTOVER_MS) removeTree(path)
}
