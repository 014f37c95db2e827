import { readdirSync, readFileSync } from 'node:fs'
import { processTree } from '../../test/support/process-tree.ts'
import { type MetricsPage, parsePrometheusText } from '../../test/support/prometheus-text.ts'
import { cpuMs, memory } from '../lib/cpus.ts'
import type { Stall } from './load/load-job.ts'

/** What the proxy's process held at a moment. */
export interface ProcessFigures {
  readonly rssMiB: number
  /** Used heap of V8, where the proxy reports it. */
  readonly heapMiB: number | undefined
  readonly descriptors: number
  /** Connections of clients that the kernel has made, and the proxy not yet accepted. */
  readonly unaccepted: number
}

export interface WatchReport {
  readonly start: ProcessFigures
  readonly peak: ProcessFigures
  readonly end: ProcessFigures
  /**
   * The longest of each time between two readings of its metrics, where the proxy reports it; the longest
   * first.
   */
  readonly stalls: readonly Stall[]
  /** Of the process and its children, during the watch. */
  readonly cpuMs: number
}

/** A page of metrics costs the proxy some milliseconds. */
const READINGS_PER_METRICS = 5
const LEAST_STALL_MS = 100
const MAX_STALLS = 5

/** Reads the figures of a process once a second, until it is asked for its report. */
export class ProcessWatch {
  readonly #pid: number
  readonly #ports: readonly number[]
  readonly #adminUrl: string | undefined
  readonly #cpuBefore: number
  #start: ProcessFigures | undefined
  #peak: ProcessFigures | undefined
  readonly #stalls: Stall[] = []
  #readings = 0
  readonly #timer: NodeJS.Timeout

  /** `ports`: where it listens for clients. */
  constructor(pid: number, ports: readonly number[], adminUrl: string | undefined) {
    this.#ports = ports
    this.#pid = pid
    this.#adminUrl = adminUrl
    this.#cpuBefore = cpuMs(pid)
    this.#timer = setInterval(() => void this.#read(), 1_000).unref()
    void this.#read()
  }

  async report(): Promise<WatchReport> {
    clearInterval(this.#timer)
    const end = await this.#read(true)
    return {
      start: this.#start ?? end,
      peak: this.#peak ?? end,
      end,
      stalls: this.#stalls,
      cpuMs: cpuMs(this.#pid) - this.#cpuBefore,
    }
  }

  /** The used heap, when it is time to ask; how long its event loop stood still is kept. */
  async #askProxy(isLast: boolean): Promise<number | undefined> {
    if (this.#adminUrl === undefined || !(isLast || this.#readings++ % READINGS_PER_METRICS === 0))
      return undefined
    const page = await readMetrics(this.#adminUrl)
    if (page === undefined) return undefined
    const ms = page.sum('nodejs_eventloop_lag_max_seconds') * 1_000
    if (ms >= LEAST_STALL_MS) this.#stalls.push({ endedAt: Date.now(), ms })
    this.#stalls.sort((a, b) => b.ms - a.ms)
    this.#stalls.splice(MAX_STALLS)
    return page.sum('nodejs_heap_size_used_bytes') / 1_048_576
  }

  async #read(isLast = false): Promise<ProcessFigures> {
    const now: ProcessFigures = {
      rssMiB: memory(this.#pid).rssMiB,
      heapMiB: await this.#askProxy(isLast),
      descriptors: countDescriptors(this.#pid),
      unaccepted: countUnaccepted(this.#ports),
    }
    this.#start ??= now
    const peak = this.#peak ?? now
    this.#peak = {
      rssMiB: Math.max(peak.rssMiB, now.rssMiB),
      heapMiB: most(peak.heapMiB, now.heapMiB),
      descriptors: Math.max(peak.descriptors, now.descriptors),
      unaccepted: Math.max(peak.unaccepted, now.unaccepted),
    }
    return now
  }
}

async function readMetrics(adminUrl: string): Promise<MetricsPage | undefined> {
  try {
    const response = await fetch(`${adminUrl}/metrics`, { signal: AbortSignal.timeout(5_000) })
    return parsePrometheusText(await response.text())
  } catch {
    return undefined // a busy process answers the next time
  }
}

function most(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? (a ?? b) : Math.max(a, b)
}

/** Of the process and its children. */
function countDescriptors(pid: number): number {
  let count = 0
  for (const { pid: id } of processTree(pid)) {
    try {
      count += readdirSync(`/proc/${id}/fd`).length
    } catch {
      // ended meanwhile
    }
  }
  return count
}

/** The state of a listening socket in /proc/net/tcp: TCP_LISTEN. Its receive queue counts connections. */
const LISTENING = '0A'

function countUnaccepted(ports: readonly number[]): number {
  let count = 0
  for (const line of readFileSync('/proc/net/tcp', 'latin1').split('\n').slice(1)) {
    const [, local = '', , state, queues = ''] = line.trim().split(/\s+/)
    if (state !== LISTENING || !ports.includes(Number.parseInt(local.split(':')[1] ?? '', 16))) continue
    count += Number.parseInt(queues.split(':')[1] ?? '', 16)
  }
  return count
}
