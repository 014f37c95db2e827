import { performance } from 'node:perf_hooks'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { guarded } from '../../base/guard.ts'
import { mallocTrim } from '../../connect/native/malloc-trim.ts'
import type { Clock, Timer } from '../../entry/events.ts'
import { type MemoryOptions, type MemorySample, UnusedMemory } from './unused-memory.ts'

/** How often memory is looked at, which takes some 10 microseconds. */
const LOOK_MS = 2_000
/** The share of the time that the event loop is busy, at most, for the process to be idle. */
const IDLE_UTILIZATION = 0.25

export interface MemoryReturnParts {
  readonly clock: Clock
  readonly calls: MemoryCalls
  options(): MemoryOptions
  /** At most what is held for slow readers. */
  heldBytes(): number
  onReturned(returnedBytes: number, tookMs: number): void
}

/** What is asked of the process. */
export interface MemoryCalls {
  usage(): Omit<MemorySample, 'heldBytes' | 'isIdle'>
  /** The share of the time since the last call that the event loop was busy. */
  utilization(): number
  collect(): void
  /** Undefined: there is no such call. */
  trim(): (() => void) | undefined
}

/** Returns memory that nothing uses any more, for who has the process to itself. */
export class MemoryReturn {
  readonly #parts: MemoryReturnParts
  readonly #unused = new UnusedMemory()
  #timer: Timer | undefined

  constructor(parts: MemoryReturnParts) {
    this.#parts = parts
    this.#arm()
  }

  close(): void {
    this.#timer?.cancel()
  }

  #arm(): void {
    this.#timer = this.#parts.clock.setTimer(LOOK_MS, () => {
      if (guarded('giving memory back', () => this.#look()) !== false) this.#arm()
    })
  }

  /** False: there is no use in looking again. */
  #look(): boolean {
    const { calls, clock } = this.#parts
    const isIdle = calls.utilization() < IDLE_UTILIZATION
    const sample = { ...calls.usage(), heldBytes: this.#parts.heldBytes(), isIdle }
    const step = this.#unused.next(sample, this.#parts.options())
    if (step === 'none') return true
    const trim = calls.trim()
    if (trim === undefined) return false
    if (step === 'collect') {
      calls.collect()
      return true
    }
    const startedAt = clock.now()
    trim()
    const tookMs = clock.now() - startedAt
    this.#parts.onReturned(Math.max(0, sample.residentBytes - calls.usage().residentBytes), tookMs)
    return true
  }
}

/** Of this process. */
export function processMemoryCalls(): MemoryCalls {
  let last = performance.eventLoopUtilization()
  let collect: (() => void) | undefined
  return {
    usage() {
      const { rss, heapTotal, arrayBuffers } = process.memoryUsage()
      return { residentBytes: rss, heapBytes: heapTotal, bufferBytes: arrayBuffers }
    },
    utilization() {
      const now = performance.eventLoopUtilization()
      const { utilization } = performance.eventLoopUtilization(now, last)
      last = now
      return utilization
    },
    collect() {
      collect ??= exposedCollector()
      collect()
    },
    trim: mallocTrim,
  }
}

/** V8 gives its collector to contexts that are made while this flag is set. */
function exposedCollector(): () => void {
  const { gc } = globalThis
  if (gc !== undefined) {
    return () => {
      gc()
    }
  }
  setFlagsFromString('--expose-gc')
  const collect: unknown = runInNewContext('gc')
  setFlagsFromString('--no-expose-gc')
  return typeof collect === 'function' ? () => void collect() : () => {}
}
