import type { LaneName } from '../../base/http/protocol.ts'
import { processCpuMs } from '../../base/process-cpu.ts'

/** Who wants to know what its requests cost. */
export interface CpuPayer {
  onCpu(lane: LaneName, cpuMs: number): void
}

const WINDOW_MS = 1_000
/** A longer one was idle in part, and what the process did then is nobody's. */
const MAX_WINDOW_MS = 3_000
/** One origin must have had so much of a window's exchanges for its CPU to be that origin's. */
const MAJORITY = 0.9

/**
 * Measures what requests cost this process, where that can be known: in windows in which one lane of one
 * origin had nearly all of them. It looks when exchanges end, so that an idle transport has no timer.
 */
export class CpuMeter {
  readonly #shares = new CpuShares()
  readonly #readCpuMs: () => number
  #windowAt = Number.NEGATIVE_INFINITY
  #counts = new Map<CpuPayer, Partial<Record<LaneName, number>>>()

  constructor(readCpuMs: () => number = processCpuMs) {
    this.#readCpuMs = readCpuMs
  }

  onEnded(payer: CpuPayer, lane: LaneName, now: number): void {
    let counts = this.#counts.get(payer)
    if (counts === undefined) {
      counts = {}
      this.#counts.set(payer, counts)
    }
    counts[lane] = (counts[lane] ?? 0) + 1
    if (now - this.#windowAt >= WINDOW_MS) this.#endWindow(now)
  }

  #endWindow(now: number): void {
    const isTooLong = now - this.#windowAt > MAX_WINDOW_MS
    this.#windowAt = now
    const counts = this.#counts
    this.#counts = new Map()
    let total = 0
    const ended: Partial<Record<LaneName, number>> = {}
    let most: { readonly payer: CpuPayer; readonly count: number } | undefined
    for (const [payer, lanes] of counts) {
      let count = 0
      for (const [lane, exchanges] of Object.entries(lanes)) {
        const name = lane as LaneName // the keys of that record
        ended[name] = (ended[name] ?? 0) + exchanges
        count += exchanges
      }
      total += count
      if (count > (most?.count ?? 0)) most = { payer, count }
    }
    const share = this.#shares.onReading(this.#readCpuMs(), isTooLong ? {} : ended)
    if (share === undefined || most === undefined || most.count < total * MAJORITY) return
    most.payer.onCpu(share.lane, share.cpuMs)
  }
}

/** So much of a window's exchanges must be one lane's for its CPU to be that lane's. */
const CPU_MAJORITY = 0.9
/** With fewer exchanges what the process does anyhow would weigh in. */
const MIN_EXCHANGES = 20

/** What one lane's request cost in a window. */
interface CpuShare {
  readonly lane: LaneName
  readonly cpuMs: number
}

/**
 * Whose the CPU of a process was: it is known only as a whole, so that only windows count in which one lane
 * had nearly all exchanges. Feed it a reading every second or so. All work of the process is in the figure,
 * the caller's own too: it is good for comparing lanes of the same caller, no more.
 */
export class CpuShares {
  #lastCpuMs: number | undefined

  /**
   * `processCpuMs`: user and system time since the process began. `ended`: exchanges of each lane, of all
   * origins, that ended since the last reading. Undefined: the window says nothing of any lane.
   */
  onReading(processCpuMs: number, ended: Readonly<Partial<Record<LaneName, number>>>): CpuShare | undefined {
    const last = this.#lastCpuMs
    this.#lastCpuMs = processCpuMs
    if (last === undefined) return undefined
    const counts = Object.entries(ended)
    const total = counts.reduce((sum, [, count]) => sum + count, 0)
    const most = counts.find(([, count]) => count >= total * CPU_MAJORITY)
    const cpuMs = processCpuMs - last
    if (total < MIN_EXCHANGES || most === undefined || !(cpuMs > 0)) return undefined
    return { lane: most[0] as LaneName, cpuMs: cpuMs / total } // the keys of `ended`
  }
}
