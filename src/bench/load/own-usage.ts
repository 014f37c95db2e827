import { readFileSync } from 'node:fs'

/** proc_pid_stat(5) counts in ticks; a hundred a second on every Linux that we know. */
const TICK_MS = 10

/**
 * User and system time of this process, all its threads, since it began, and of children that have ended
 * (those in ticks of 10 ms, on Linux). In ms.
 */
export function processCpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000 + childrenCpuMs()
}

/** What of this process is in memory now. */
export function rssMiB(): number {
  return process.memoryUsage.rss() / 1024 ** 2
}

function childrenCpuMs(): number {
  let text: string
  try {
    text = readFileSync('/proc/self/stat', 'latin1')
  } catch {
    return 0
  }
  // The name stands in parentheses and may hold spaces: fields are counted from the last one, which ends
  // field 2. These are 16 and 17.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[13]) + Number(fields[14])) * TICK_MS
}
