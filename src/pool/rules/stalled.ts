import type { CloseReason } from '../../base/events/connection.ts'
import type { Slot } from '../slot.ts'
import type { SlotTable } from '../slot-table.ts'
import type { ConnectionBudget } from './connection-budget.ts'
import type { LearnedLimits } from './learned-limits.ts'

/**
 * Readers that keep up pause and go on all the time; one that has paused for as long as this stalls. Also how
 * often they are looked for at the most, while requests wait and none is found.
 */
export const STALL_MS = 100

/**
 * A pool that has set one aside within this goes on growing: who waits waits for handshakes and for further
 * readers to stall.
 */
const GROWTH_MS = 1_000

/** What the readers of a pool are judged by. */
interface StalledReadersParts<Link> {
  readonly slots: SlotTable<Link>
  readonly budget: ConnectionBudget
  readonly limits: LearnedLimits
  readonly maxStalled: number
  /** No further connection that counts may be made. */
  readonly isFull: () => boolean
  /** See PoolStateConfig. */
  readonly links: { pausedSince?(slot: Slot<Link>): number | undefined }
}

/**
 * A reader that stalls holds an HTTP/1.1 connection for as long as it likes, and enough of them would hold
 * all that an origin may have. The origin is idle on such a connection: its response waits in buffers of the
 * kernel. So while requests wait for a connection and none may be added, those that stand still are set
 * aside: they have no part in `maxConnections` and in the budget over all pools any more, up to limits of
 * their own (`maxStalledConnections` of the pool and of all pools). One that was set aside stays so until its
 * exchange has ended, since a slow reader goes on and stalls in turns. Then it takes a place again if one is
 * free, and is closed if not.
 */
export class StalledReaders<Link> {
  readonly #parts: StalledReadersParts<Link>
  /** They are looked for no sooner. */
  #checkAt = -Infinity
  /** When one was last set aside. */
  #setAsideAt = -Infinity

  constructor(parts: StalledReadersParts<Link>) {
    this.#parts = parts
  }

  /** How many more connections may be set aside. */
  get places(): number {
    const { slots, budget, limits, maxStalled } = this.#parts
    if (maxStalled === 0 || limits.streams !== 1 || !budget.hasStalledPlace) return 0
    return Math.max(0, Math.min(maxStalled - slots.aside, budget.stalledPlaces))
  }

  isGrowing(now: number): boolean {
    return now - this.#setAsideAt < GROWTH_MS
  }

  /** False: none may be set aside, or the last look was a moment ago. Asked whenever requests wait. */
  mayFind(now: number): boolean {
    return now >= this.#checkAt && this.places > 0
  }

  /** When to look for them again, if somebody waits for what they hold. */
  nextCheckAt(now: number): number {
    return this.#checkAt > now ? this.#checkAt : now + STALL_MS
  }

  /** Sets up to `count` connections aside. Answers how many. */
  setAside(count: number, now: number): number {
    if (now < this.#checkAt) return 0
    const { slots, budget } = this.#parts
    const places = Math.min(count, this.places)
    if (places <= 0) return 0
    let found = 0
    for (const slot of slots.all()) {
      if (!this.#isStalled(slot, now)) continue
      if (!budget.hasStalledPlace) break
      slots.setAside(slot)
      this.#setAsideAt = now
      found += 1
      if (found === places) return found
    }
    this.#checkAt = now + STALL_MS
    return found
  }

  /** An exchange ended on a connection that may be set aside. Answers why it must go, if it must. */
  takeBack(slot: Slot<Link>): CloseReason | undefined {
    if (!slot.isAside) return undefined
    const { slots, budget, isFull } = this.#parts
    if (isFull() || budget.isFull) return 'surplus'
    slots.takeBack(slot)
    return undefined
  }

  #isStalled(slot: Slot<Link>, now: number): boolean {
    if (slot.state.kind !== 'leased' || slot.isAside || slot.isGuest || slot.capacity !== 1) return false
    const since = this.#parts.links.pausedSince?.(slot)
    return since !== undefined && now - since >= STALL_MS
  }
}
