import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { machineFacts as ownFacts } from '../../src/bench/machine.ts'
import type { MachineFacts } from '../../src/bench/results/scenario-result.ts'
import { processTree } from '../../test/support/process-tree.ts'
import { findBinary } from '../../test/support/require-binary.ts'
import { repositoryRoot } from './repository.ts'

export interface CpuPlan {
  /** What is measured has this CPU alone. Undefined: nothing is pinned. */
  subject: number | undefined
  load: number | undefined
  origin: number | undefined
}

/** The subject on one CPU, all else on others; on two CPUs load and origin share one. */
export function planCpus(): CpuPlan {
  const allowed = allowedCpus()
  const [subject, load, origin] = allowed
  if (load === undefined || findBinary('taskset') === undefined) {
    return { subject: undefined, load: undefined, origin: undefined }
  }
  return { subject, load, origin: origin ?? load }
}

export function describeCpuPlan(plan: CpuPlan): string {
  if (plan.subject === undefined) return 'nothing pinned (one CPU, or no taskset): figures are not comparable'
  return `subject on CPU ${plan.subject}, load on ${plan.load}, origin on ${plan.origin}`
}

function allowedCpus(): number[] {
  const status = readFileSync('/proc/self/status', 'latin1')
  return parseCpuList(/^Cpus_allowed_list:\s+(\S+)/m.exec(status)?.[1] ?? '')
}

/** `0-1,4` is 0, 1, 4. */
export function parseCpuList(list: string): number[] {
  return list
    .split(',')
    .filter(part => part !== '')
    .flatMap(part => {
      const [first = 0, last = first] = part.split('-').map(Number)
      return Array.from({ length: last - first + 1 }, (_, i) => first + i)
    })
}

/** With the servers and tools that scenarios are measured against, and the revision of this checkout. */
export function machineFacts(): MachineFacts {
  const facts = ownFacts()
  return {
    ...facts,
    versions: {
      ...facts.versions,
      nginx: versionOf('nginx', ['-v'], /nginx\/(\S+)/),
      haproxy: versionOf('haproxy', ['-v'], /version (\S+)/i),
      caddy: versionOf('caddy', ['version'], /v?(\d\S*)/),
      wrk: versionOf('wrk', ['-v'], /wrk (?:debian\/)?(\S+)/),
      nghttpx: versionOf('nghttpx', ['--version'], /nghttp2\/(\S+)/),
      h2load: versionOf('h2load', ['--version'], /nghttp2\/(\S+)/),
    },
    revision: gitRevision(),
  }
}

function versionOf(name: string, args: readonly string[], pattern: RegExp): string {
  const path = findBinary(name)
  if (path === undefined) return 'not installed'
  // Some print to stderr, some exit with 1 after their usage text.
  const { stdout, stderr } = spawnSync(path, args, { encoding: 'utf8', timeout: 5_000 })
  return pattern.exec(`${stdout}${stderr}`)?.[1] ?? 'unknown'
}

function gitRevision(): string {
  const git = (...args: string[]): string =>
    execFileSync('git', args, { cwd: repositoryRoot, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  try {
    const revision = git('rev-parse', '--short', 'HEAD').trim()
    return git('status', '--porcelain', '--untracked-files=no') === '' ? revision : `${revision}+`
  } catch {
    return 'unknown'
  }
}

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
