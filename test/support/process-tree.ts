import { readdirSync, readFileSync } from 'node:fs'

/** What /proc/PID/stat reports one process (proc_pid_stat(5)). Times are in clock ticks. */
export interface ProcessStat {
  readonly pid: number
  readonly parent: number
  /** `Z` is a zombie: it ended and waits for its parent to look. */
  readonly state: string
  readonly userTicks: number
  readonly systemTicks: number
  /** Of children that ended and were waited for. */
  readonly childrenUserTicks: number
  readonly childrenSystemTicks: number
  /** Since boot: with the pid it names a process for good, since pids come round again. */
  readonly startTicks: number
}

/** Undefined when there is no such process (any more). */
export function readProcessStat(pid: number): ProcessStat | undefined {
  let text: string
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1')
  } catch {
    return undefined
  }
  return parseProcessStat(text)
}

/**
 * The name stands in parentheses and may itself hold spaces and parentheses: fields are counted from the last
 * one.
 */
export function parseProcessStat(text: string): ProcessStat {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  // Index 0 is field 3 of proc_pid_stat(5), the state.
  const field = (number: number): number => Number(fields[number - 3])
  return {
    pid: Number.parseInt(text, 10),
    state: fields[0] ?? '?',
    parent: field(4),
    userTicks: field(14),
    systemTicks: field(15),
    childrenUserTicks: field(16),
    childrenSystemTicks: field(17),
    startTicks: field(22),
  }
}

/** The process and all its descendants that are alive now, the root first. Empty when the root is gone. */
export function processTree(root: number): ProcessStat[] {
  const rootStat = readProcessStat(root)
  if (rootStat === undefined) return []
  const children = new Map<number, ProcessStat[]>()
  for (const entry of readdirSync('/proc')) {
    const pid = Number(entry)
    if (!Number.isInteger(pid)) continue
    const stat = readProcessStat(pid)
    if (stat === undefined) continue
    const siblings = children.get(stat.parent)
    if (siblings === undefined) children.set(stat.parent, [stat])
    else siblings.push(stat)
  }
  const tree = [rootStat]
  for (let i = 0; i < tree.length; i++) tree.push(...(children.get(tree[i]?.pid ?? 0) ?? []))
  return tree
}

/** Whether this very process still runs: same pid, same birth, no zombie. */
export function isRunning(process: ProcessStat): boolean {
  const now = readProcessStat(process.pid)
  return now !== undefined && now.startTicks === process.startTicks && now.state !== 'Z'
}
