import type { TransportError } from '../../base/errors.ts'
import type { CloseReason } from '../../base/events/connection.ts'
import type { Slot } from '../slot.ts'
import { IdleHorizon, type IdleHorizonFigures } from './idle-horizon.ts'

/** A request meets its connection's end within this; later, the peer ended it for the request. */
const RACE_MS = 1_000

/** Longer than a connect takes, as a rule. */
const REPLACE_MS = 1_000

/** How a peer ends a connection idle for too long; other ends are resets, reloads, path faults. */
const ENDS_OF_PEER: ReadonlySet<CloseReason> = new Set(['peer-closed', 'network-error', 'unexpected-data'])

/**
 * What a pool has learned of the times for which its origin keeps idle connections. A server waits for the
 * first request under another timer than for the next one (nginx: `client_header_timeout`,
 * `keepalive_timeout`), so that there are two horizons. A connection that others use as well teaches nothing,
 * and is not judged: how long it was idle, no one pool knows.
 */
export class IdleHorizons {
  readonly #used: IdleHorizon
  readonly #unused: IdleHorizon
  #idleEnds = 0
  #retired = 0
  #racesAvoided = 0
  #racesLost = 0

  constructor(marginMs: number) {
    this.#used = new IdleHorizon(marginMs)
    this.#unused = new IdleHorizon(marginMs)
  }

  /** Of connections that have carried a request. Infinity: not known. */
  get keptMs(): number {
    return this.#used.keptMs
  }

  get figures(): IdleHorizonFigures {
    const { keptMs, confidence, closes } = this.#used
    return {
      keptMs: keptMs === Infinity ? undefined : keptMs,
      confidence,
      closes,
      idleEnds: this.#idleEnds,
      retired: this.#retired,
      racesAvoided: this.#racesAvoided,
      racesLost: this.#racesLost,
    }
  }

  restore(keptMs: number, confidence: number): void {
    this.#used.restore(keptMs, confidence)
  }

  /** From then on the origin may end the idle connection. Infinity: nobody knows when. */
  usableUntil(slot: Slot<unknown>): number {
    if (slot.share !== undefined) return Infinity
    return Math.min(slot.keepAliveUntil, slot.usedAt + this.#of(slot).usableMs)
  }

  /**
   * From then on another connection should be made in its place, if it is to be there: a second before, or a
   * quarter of the time for which it may be idle.
   */
  replaceAt(slot: Slot<unknown>): number {
    const until = this.usableUntil(slot)
    return until === Infinity ? Infinity : until - Math.min(REPLACE_MS, (until - slot.usedAt) / 4)
  }

  /** Until then an idle connection may stand; not before `usableUntil`, after which it is not used. */
  standsUntil(slot: Slot<unknown>): number {
    return Math.max(this.usableUntil(slot), slot.trialUntil)
  }

  /** An idle connection is about to be leased. */
  onReused(slot: Slot<unknown>, now: number): void {
    if (!slot.isRefreshed && slot.share === undefined) this.#of(slot).onLasted(now - slot.usedAt)
  }

  /** A request came, and would have been given this connection. */
  onRaceAvoided(slot: Slot<unknown>, now: number): void {
    this.#racesAvoided += 1
    this.#retired += 1
    this.onReused(slot, now)
  }

  /**
   * The connection has been idle for long enough. Answers until when it is to stand all the same, if so;
   * `isSpare`: it may.
   */
  onRetiring(slot: Slot<unknown>, isSpare: boolean, now: number): number | undefined {
    const isHinted = now >= slot.keepAliveUntil
    if (isSpare && !isHinted && !slot.isRefreshed && slot.trialUntil === -Infinity) {
      const standsFor = this.#of(slot).onRetiring(now - slot.usedAt, now)
      if (standsFor !== undefined) return slot.usedAt + standsFor
    }
    this.#retired += 1
    this.onReused(slot, now)
    return undefined
  }

  /** A connection ends by itself, or begins to. Answers whether others may have to go sooner now. */
  onEnded(slot: Slot<unknown>, reason: CloseReason, error: TransportError | undefined, now: number): boolean {
    if (slot.share !== undefined || !ENDS_OF_PEER.has(reason)) return false
    const horizon = this.#of(slot)
    const before = horizon.keptMs
    const { kind } = slot.state
    if (kind === 'idle' || kind === 'verifying') {
      this.#idleEnds += 1
      if (!slot.isRefreshed) horizon.onClosed(now - slot.usedAt, now)
    } else if (slot.idledMs > 0 && error !== undefined && error.processed !== 'yes') {
      if (now - slot.usedAt - slot.idledMs > RACE_MS) return false
      this.#racesLost += 1
      horizon.onClosed(slot.idledMs, now)
    }
    return horizon.keptMs < before
  }

  #of(slot: Slot<unknown>): IdleHorizon {
    return slot.leases === 0 ? this.#unused : this.#used
  }
}
