import { readdirSync } from 'node:fs'
import { parsePrometheusText } from '../../test/support/prometheus-text.ts'
import { cpuMs, memory } from '../lib/process-meter.ts'

/** What the proxy's process held at a moment. */
export interface ProcessFigures {
  readonly rssMiB: number
  /** Used heap of V8, where the proxy says it. */
  readonly heapMiB: number | undefined
  readonly descriptors: number
}

export interface WatchReport {
  readonly start: ProcessFigures
  readonly peak: ProcessFigures
  readonly end: ProcessFigures
  /** Of the process and its children, during the watch. */
  readonly cpuMs: number
}

/** Looks at a process once a second, until it is asked for its report. */
export class ProcessWatch {
  readonly #pid: number
  readonly #adminUrl: string | undefined
  readonly #cpuBefore: number
  #start: ProcessFigures | undefined
  #peak: ProcessFigures | undefined
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
    const end = await this.#look()
    return {
      start: this.#start ?? end,
      peak: this.#peak ?? end,
      end,
      cpuMs: cpuMs(this.#pid) - this.#cpuBefore,
    }
  }

  async #look(): Promise<ProcessFigures> {
    const now: ProcessFigures = {
      rssMiB: memory(this.#pid).rssMiB,
      heapMiB: await readHeapMiB(this.#adminUrl),
      descriptors: countDescriptors(this.#pid),
    }
    this.#start ??= now
    const peak = this.#peak ?? now
    this.#peak = {
      rssMiB: Math.max(peak.rssMiB, now.rssMiB),
      heapMiB: now.heapMiB === undefined ? peak.heapMiB : Math.max(peak.heapMiB ?? 0, now.heapMiB),
      descriptors: Math.max(peak.descriptors, now.descriptors),
    }
    return now
  }
}

async function readHeapMiB(adminUrl: string | undefined): Promise<number | undefined> {
  if (adminUrl === undefined) return undefined
  try {
    const response = await fetch(`${adminUrl}/metrics`, { signal: AbortSignal.timeout(5_000) })
    return parsePrometheusText(await response.text()).sum('nodejs_heap_size_used_bytes') / 1_048_576
  } catch {
    return undefined // a busy process answers the next time
  }
}

/** Of that process alone; 0 when it is gone. */
function countDescriptors(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/fd`).length
  } catch {
    return 0
  }
}
