import { TransportError } from '../base/errors.ts'
import type { WebTransportSendGroup } from './types.ts'

/** RFC 9218 4.1: 3 is the default, and the lowest is the most urgent. Steps away from order 0. */
const DEFAULT_URGENCY = 3
const ABOVE = [2, 1, 0]
const BELOW = [4, 5, 6, 7]

/** What has an order. */
export interface Ordered {
  readonly order: number
  prioritize(urgency: number): void
}

/** Streams whose orders are compared. */
export class SendGroup implements WebTransportSendGroup {
  readonly #byOrder = new Map<number, Set<Ordered>>()
  /** The orders that there are, the nearest to 0 first. */
  readonly #above: number[] = []
  readonly #below: number[] = []
  #writtenBytes = 0

  getStats(): Promise<{ readonly bytesWritten: number }> {
    return Promise.resolve({ bytesWritten: this.#writtenBytes })
  }

  onWritten(bytes: number): void {
    this.#writtenBytes += bytes
  }

  add(stream: Ordered): void {
    const { order } = stream
    const same = this.#byOrder.get(order)
    if (same !== undefined) {
      same.add(stream)
      stream.prioritize(this.#urgencyOf(order))
      return
    }
    this.#byOrder.set(order, new Set([stream]))
    if (order === 0) stream.prioritize(DEFAULT_URGENCY)
    else this.#rankFrom(order, this.#place(order), 0)
  }

  remove(stream: Ordered): void {
    const { order } = stream
    const same = this.#byOrder.get(order)
    if (same === undefined || !same.delete(stream) || same.size > 0) return
    this.#byOrder.delete(order)
    if (order !== 0) this.#rankFrom(order, this.#place(order), 1)
  }

  /** Where it stands among those on its side of 0, the nearest first. */
  #place(order: number): number {
    const orders = order > 0 ? this.#above : this.#below
    let [low, high] = [0, orders.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (Math.abs(orders[middle] ?? 0) < Math.abs(order)) low = middle + 1
      else high = middle
    }
    return low
  }

  /**
   * Puts it there, or takes it away: the few behind it that do not share the last step have another one now.
   */
  #rankFrom(order: number, place: number, taken: 0 | 1): void {
    const isAbove = order > 0
    const orders = isAbove ? this.#above : this.#below
    if (taken === 1) orders.splice(place, 1)
    else orders.splice(place, 0, order)
    const steps = isAbove ? ABOVE : BELOW
    const last = Math.min(orders.length, Math.max(steps.length, taken === 0 ? place + 1 : 0))
    for (const moved of orders.slice(place, last)) {
      const urgency = this.#urgencyOf(moved)
      for (const stream of this.#byOrder.get(moved) ?? []) stream.prioritize(urgency)
    }
  }

  #urgencyOf(order: number): number {
    if (order === 0) return DEFAULT_URGENCY
    const steps = order > 0 ? ABOVE : BELOW
    return steps[Math.min(this.#place(order), steps.length - 1)] ?? DEFAULT_URGENCY
  }
}

/** The orders of all streams of a session, which become urgencies of QUIC. */
export class SendOrders {
  /** Of those that were given none. */
  readonly #ungrouped = new SendGroup()
  readonly #groups = new WeakSet<WebTransportSendGroup>()

  newGroup(): SendGroup {
    const group = new SendGroup()
    this.#groups.add(group)
    return group
  }

  /** Throws MM_INVALID_ARGUMENT for a group of another session. */
  groupOf(group: WebTransportSendGroup | null | undefined): SendGroup | null {
    if (group === null || group === undefined) return null
    if (group instanceof SendGroup && this.#groups.has(group)) return group
    throw new TransportError(
      'MM_INVALID_ARGUMENT',
      'sendGroup must come from createSendGroup() of the same session',
    )
  }

  add(stream: Ordered, group: SendGroup | null): void {
    ;(group ?? this.#ungrouped).add(stream)
  }

  remove(stream: Ordered, group: SendGroup | null): void {
    ;(group ?? this.#ungrouped).remove(stream)
  }
}
