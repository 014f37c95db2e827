import { readdirSync, readFileSync } from 'node:fs'

/** proc_pid_stat(5) counts in ticks; a hundred a second on every Linux that we know. */
const TICK_MS = 10

/** What is needed of a line of proc_pid_stat(5). */
export interface ProcessTimes {
  readonly pid: number
  readonly parent: number
  /** User and system, with those of children that ended and were waited for. */
  readonly cpuMs: number
}

/**
 * The name stands in parentheses and may itself hold spaces and parentheses: fields are counted from the last
 * one, which ends field 2.
 */
export function parseProcessTimes(text: string): ProcessTimes {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const field = (number: number): number => Number(fields[number - 3])
  return {
    pid: Number.parseInt(text, 10),
    parent: field(4),
    cpuMs: (field(14) + field(15) + field(16) + field(17)) * TICK_MS,
  }
}

/**
 * User and system time of these processes and all their descendants, each counted once, without this process
 * and its own: an origin may have started us. Resolution: a tick, 10 ms. A process that ended is in its
 * parent's sum, so that the difference of two readings misses nobody whose parent is among them.
 */
export function cpuMsOf(roots: readonly number[]): number {
  const all = readdirSync('/proc').flatMap(name => {
    const times = /^\d+$/.test(name) ? readTimes(name) : undefined
    return times === undefined ? [] : [times]
  })
  return sumOfTrees(all, roots, process.pid)
}

/** The tree of `leftOut` counts only where that is a root itself. */
export function sumOfTrees(all: readonly ProcessTimes[], roots: readonly number[], leftOut?: number): number {
  const counted = new Set(roots)
  for (let before = -1; before !== counted.size; ) {
    before = counted.size
    for (const { pid, parent } of all) if (counted.has(parent) && pid !== leftOut) counted.add(pid)
  }
  return all.reduce((sum, { pid, cpuMs }) => (counted.has(pid) ? sum + cpuMs : sum), 0)
}

function readTimes(pid: string): ProcessTimes | undefined {
  try {
    return parseProcessTimes(readFileSync(`/proc/${pid}/stat`, 'latin1'))
  } catch {
    return undefined // ended meanwhile
  }
}
