import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { processTree } from '../../test/support/process-tree.ts'

/**
 * proc_pid_stat(5) counts in ticks; 100 a second on every Linux that we know, but it is a setting of the
 * kernel.
 */
const TICKS_PER_SECOND = readTicksPerSecond()

function readTicksPerSecond(): number {
  try {
    return Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' })) || 100
  } catch {
    return 100
  }
}

/**
 * User and system CPU milliseconds of a process, all its threads and all its descendants. Children that ended
 * are in their parents' sums, so that the difference of two readings misses nobody. Resolution: one tick, 10
 * ms.
 */
export function cpuMs(pid: number): number {
  let ticks = 0
  for (const stat of processTree(pid)) {
    ticks += stat.userTicks + stat.systemTicks + stat.childrenUserTicks + stat.childrenSystemTicks
  }
  return (ticks * 1000) / TICKS_PER_SECOND
}

export interface Memory {
  /** Resident now. Pages that processes of the tree share are counted for each. */
  rssMiB: number
  /** The most that was resident since the start, process by process. */
  highWaterMiB: number
}

export function memory(pid: number): Memory {
  let rss = 0
  let highWater = 0
  for (const stat of processTree(pid)) {
    let status: string
    try {
      status = readFileSync(`/proc/${stat.pid}/status`, 'latin1')
    } catch {
      continue // ended meanwhile
    }
    rss += kibibytes(status, 'VmRSS')
    highWater += kibibytes(status, 'VmHWM')
  }
  return { rssMiB: rss / 1024, highWaterMiB: highWater / 1024 }
}

function kibibytes(status: string, field: string): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0)
}
