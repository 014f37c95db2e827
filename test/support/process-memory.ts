import { readFileSync } from 'node:fs'

/** Resident memory of a process, in MiB (proc_pid_status(5)). */
export interface ProcessMemory {
  now: number
  /** Since its start, or since resetPeak. */
  peak: number
}

export function readProcessMemory(pid: number): ProcessMemory {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1')
  const field = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) / 1024
  return { now: field('VmRSS'), peak: field('VmHWM') }
}
