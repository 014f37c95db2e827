import { readdirSync } from 'node:fs'
import { parsePrometheusText } from '../../test/support/prometheus-text.ts'
import { cpuMs, memory } from '../lib/process-meter.ts'

/** What the proxy's process held at a moment. */
export interface ProcessFigures {
  readonly rssMiB: number
  /** Used heap of V8, where the proxy says it. */
  readonly heapMiB: number | undefined
  /** The longest time for which its event loop stood still since it was asked the last time, where the proxy says it. */
  readonly stallMs: number | undefined
  readonly descriptors: number
}

export interface WatchReport {
  readonly start: ProcessFigures
  readonly peak: ProcessFigures
  readonly end: ProcessFigures
  /** Of the process and its children, during the watch. */
  readonly cpuMs: number
}

type MetricFigures = Pick<ProcessFigures, 'heapMiB' | 'stallMs'>
const UNKNOWN: MetricFigures = { heapMiB: undefined, stallMs: undefined }

/** A page of metrics costs the proxy some milliseconds. */
const LOOKS_PER_METRICS = 5

/** Looks at a process once a second, until it is asked for its report. */
export class ProcessWatch {
  readonly #pid: number
  readonly #adminUrl: string | undefined
  readonly #cpuBefore: number
  #start: ProcessFigures | undefined
  #peak: ProcessFigures | undefined
  #looks = 0
  readonly #timer: NodeJS.Timeout

  constructor(pid: number, adminUrl: string | undefined) {
    this.#pid = pid
    this.#adminUrl = adminUrl
    this.#cpuBefore = cpuMs(pid)
    this.#timer = setInterval(() => void this.#look(), 1_000)
    void this.#look()
  }

  async report(): Promise<WatchReport> {
    clearInterval(this.#timer)
    const end = await this.#look(true)
    return {
      start: this.#start ?? end,
      peak: this.#peak ?? end,
      end,
      cpuMs: cpuMs(this.#pid) - this.#cpuBefore,
    }
  }

  #askProxy(isLast: boolean): Promise<MetricFigures> {
    const isDue = isLast || this.#looks++ % LOOKS_PER_METRICS === 0
    return this.#adminUrl === undefined || !isDue ? Promise.resolve(UNKNOWN) : readMetrics(this.#adminUrl)
  }

  async #look(isLast = false): Promise<ProcessFigures> {
    const now: ProcessFigures = {
      rssMiB: memory(this.#pid).rssMiB,
      ...(await this.#askProxy(isLast)),
      descriptors: countDescriptors(this.#pid),
    }
    this.#start ??= now
    const peak = this.#peak ?? now
    this.#peak = {
      rssMiB: Math.max(peak.rssMiB, now.rssMiB),
      heapMiB: most(peak.heapMiB, now.heapMiB),
      stallMs: most(peak.stallMs, now.stallMs),
      descriptors: Math.max(peak.descriptors, now.descriptors),
    }
    return now
  }
}

async function readMetrics(adminUrl: string): Promise<MetricFigures> {
  try {
    const response = await fetch(`${adminUrl}/metrics`, { signal: AbortSignal.timeout(5_000) })
    const page = parsePrometheusText(await response.text())
    return {
      heapMiB: page.sum('nodejs_heap_size_used_bytes') / 1_048_576,
      stallMs: page.sum('nodejs_eventloop_lag_max_seconds') * 1_000,
    }
  } catch {
    return UNKNOWN // a busy process answers the next time
  }
}

function most(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? (a ?? b) : Math.max(a, b)
}

/** Of that process alone; 0 when it is gone. */
function countDescriptors(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/fd`).length
  } catch {
    return 0
  }
}
