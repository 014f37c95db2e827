import type { Slot } from '../slot.ts'
import type { SlotTable } from '../slot-table.ts'
import type { LearnedLimits } from './learned-limits.ts'

interface SurplusParts<Link> {
  readonly slots: SlotTable<Link>
  readonly limits: LearnedLimits
  /** Connections that are to be there whether or not anybody waits. */
  readonly target: () => number
  readonly spreadOver: number
  /** Infinity: connections do not age out. */
  readonly idleTimeoutMs: number
}

/**
 * A second multiplexed connection ages out by the idle timeout only if it ever is idle. Under steady traffic
 * the least-loaded rule keeps all of them a little busy for ever, so the peak of concurrent exchanges is
 * watched over periods of the idle timeout: when it would have fit into half of what one connection fewer
 * offers, the least loaded one is drained. Half, so that the next burst does not dial it again. Connections
 * that exchanges are spread over on purpose are no surplus: those beyond the concurrency get nothing, and age
 * out as idle ones.
 */
export class Surplus<Link> {
  readonly #parts: SurplusParts<Link>
  readonly #spreadOver: number
  /** End of the period over which the peak is taken; Infinity: it is not watched. */
  #checkAt = Infinity
  #peakStreams = 0

  constructor(parts: SurplusParts<Link>) {
    this.#parts = parts
    this.#spreadOver = parts.spreadOver
  }

  get checkAt(): number {
    return this.#checkAt
  }

  /** Whether the watch is as it should be. Asked at every lease. */
  get isSettled(): boolean {
    return this.#checkAt !== Infinity || !this.#isPossible()
  }

  /** So many exchanges are under way now. */
  onLease(streams: number): void {
    if (streams > this.#peakStreams) this.#peakStreams = streams
  }

  /** Begins or ends the watch, as the connections are now. */
  watch(now: number): void {
    const { slots, idleTimeoutMs } = this.#parts
    if (!this.#isPossible()) this.#checkAt = Infinity
    else if (this.#checkAt === Infinity) {
      this.#checkAt = now + idleTimeoutMs
      this.#peakStreams = slots.usedStreams
    }
  }

  end(): void {
    this.#checkAt = Infinity
  }

  /** The connection that is to go at the end of a period, if one is. */
  take(now: number): Slot<Link> | undefined {
    if (now < this.#checkAt) return undefined
    this.#checkAt = Infinity
    if (!this.#isPossible()) return undefined
    const { slots, limits } = this.#parts
    const remaining = (slots.count('leased') - 1) * (limits.streams ?? 1)
    return this.#peakStreams <= remaining / 2 ? slots.leastLoaded : undefined
  }

  /**
   * More multiplexed connections carry something than exchanges are spread over, and the warm level does not
   * ask for all of them.
   */
  #isPossible(): boolean {
    const { slots, limits, target, idleTimeoutMs } = this.#parts
    if (slots.count('leased') <= this.#spreadOver) return false // the common case first
    if (idleTimeoutMs === Infinity) return false
    return (limits.streams ?? 1) > 1 && slots.live > target()
  }
}
