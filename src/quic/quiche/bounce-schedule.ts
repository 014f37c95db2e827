import type { UdpAddress } from '../engine.ts'
import { isSameAddress } from '../migration/migration-phase.ts'

/** In probe timeouts since the move. */
const AFTER_PTOS = [1, 2, 4, 8]
/** However long the round trip: requests do not wait for ever. */
const MAX_INTERVAL_MS = 4000
/** Paths that are remembered: no connection has more. */
const MAX_LEFT = 8

const NOTHING: readonly UdpAddress[] = []

/** Since the last move. What has not been acknowledged on the new path by then is not going to be. */
const MAX_BOUNCES = 16

/**
 * When the paths that a connection has left are bounced again (see Paths.bounce). What was in
 * flight on one counts as lost only when something that was sent later has been acknowledged, which the
 * bounce of the move may come too early for; and a path that is left for another reason may be dead as well.
 * Where everything was acknowledged a bounce changes nothing.
 *
 * 1. One, two, four and eight probe timeouts after a move each path that was left is bounced: those of
 *    earlier moves too, since nothing may have been acknowledged between two moves.
 * 2. After that, while somebody waits, they are bounced on in doubling intervals of 4 s at the most, sixteen
 *    times in all: a network that comes back later acknowledges later.
 */
export class BounceSchedule {
  #left: readonly UdpAddress[] = []
  #movedAt = 0
  #ptoMs = 0
  /** Since the last move. */
  #bounces = 0
  #nextAt = Number.POSITIVE_INFINITY

  /**
   * The connection sends from `to` now, and not from `from` any more. `ptoMs`: the probe timeout of `from`.
   */
  onMoved(from: UdpAddress, to: UdpAddress, ptoMs: number, now: number): void {
    const others = this.#left.filter(local => !isSameAddress(local, from) && !isSameAddress(local, to))
    this.#left = [...others, from].slice(-MAX_LEFT)
    this.#movedAt = now
    this.#ptoMs = ptoMs
    this.#bounces = 0
    this.#nextAt = now + ptoMs
  }

  /** The paths to bounce now, the oldest first. `isWaiting`: an exchange is under way. */
  takeDue(now: number, isWaiting: boolean): readonly UdpAddress[] {
    if (this.nextAt(isWaiting) > now) return NOTHING
    this.#bounces += 1
    const afterPtos = AFTER_PTOS[this.#bounces]
    // The first ones count from the move, so that a turn that comes late puts nothing off.
    if (afterPtos !== undefined) this.#nextAt = this.#movedAt + afterPtos * this.#ptoMs
    else
      this.#nextAt = now + Math.min(this.#ptoMs * 2 ** this.#bounces, Math.max(MAX_INTERVAL_MS, this.#ptoMs))
    return this.#left
  }

  /** When takeDue wants to be called; Infinity: not before something changes. */
  nextAt(isWaiting: boolean): number {
    const goesOn = this.#bounces < AFTER_PTOS.length || (isWaiting && this.#bounces < MAX_BOUNCES)
    return goesOn ? this.#nextAt : Number.POSITIVE_INFINITY
  }
}
