import type { LaneName } from '../../base/http/lane.ts'

/** So much of a window's exchanges must be one lane's for its CPU to be that lane's. */
const MAJORITY = 0.9
/** With fewer exchanges what the process does anyhow would weigh in. */
const MIN_EXCHANGES = 20

/** What one lane's request cost in a window. */
export interface CpuShare {
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
    const most = counts.find(([, count]) => count >= total * MAJORITY)
    const cpuMs = processCpuMs - last
    if (total < MIN_EXCHANGES || most === undefined || !(cpuMs > 0)) return undefined
    return { lane: most[0] as LaneName, cpuMs: cpuMs / total } // the keys of `ended`
  }
}
