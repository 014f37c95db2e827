import { TransportError } from '../../base/errors.ts'
import type { CloseReason } from '../../base/events/connection.ts'
import type { PoolAction } from '../pool-action.ts'
import type { PoolCore } from '../pool-core.ts'
import type { Slot } from '../slot.ts'
import { isSpare } from '../slot-table.ts'

/**
 * Takes a connection out of the assignment and ends it: at once when it carries nothing, else when its
 * exchanges have ended.
 */
export function retire<Link, Waiter>(
  core: PoolCore<Link, Waiter>,
  slot: Slot<Link>,
  reason: CloseReason,
  actions: PoolAction<Link, Waiter>[],
): void {
  const { state } = slot
  if (state.kind === 'leased') {
    core.slots.move(slot, { kind: 'draining', usedStreams: state.usedStreams, reason, by: 'pool' })
    actions.push({ type: 'drain', slot, reason })
  } else closeNow(core, slot, reason, actions)
}

/** Ends a connection or a dial, whatever it carries. */
export function closeNow<Link, Waiter>(
  core: PoolCore<Link, Waiter>,
  slot: Slot<Link>,
  reason: CloseReason,
  actions: PoolAction<Link, Waiter>[],
): void {
  if (slot.state.kind === 'closing') return
  core.slots.move(slot, { kind: 'closing', reason })
  actions.push({ type: 'close', slot, reason })
}

/** Why a connection that was idle `since` must not be used any more, if so. */
export function expiryOf<Link, Waiter>(
  core: PoolCore<Link, Waiter>,
  slot: Slot<Link>,
  since: number,
  now: number,
): CloseReason | undefined {
  if (now >= slot.retireAt) return 'max-age'
  if (now >= core.horizons.usableUntil(slot)) return 'keep-alive-timeout'
  if (now - since < core.idleTimeoutMs || core.slots.live <= core.warm.connections) return undefined
  // The guests of a connection use it: it is not idle.
  return !slot.isGuest && slot.share?.isUsedByOthers === true ? undefined : 'idle-timeout'
}

/** A connection that dies unused and as young as this counts as a failed connect. */
const CLOSED_ON_OPEN_MS = 1_000

/**
 * A connection ends by itself, or begins to.
 * 1. If nobody had used it yet and it had just opened, there is no sense in dialing the next one at once.
 * 2. It may say how long the origin keeps idle ones. When that is less than was thought, those that are there
 *    are looked at.
 */
export function noteEnd<Link, Waiter>(
  core: PoolCore<Link, Waiter>,
  slot: Slot<Link>,
  reason: CloseReason,
  error: TransportError | undefined,
  now: number,
): void {
  if (isClosedOnOpen(slot, now)) {
    const message = `${core.name}: the origin ended a new connection at once`
    const cause = error ?? new TransportError('MM_CONNECTION_CLOSED', message)
    core.backoff.onClosedOnOpen(cause, slot.openedAt, now) // 1
  }
  if (core.horizons.onEnded(slot, reason, error, now)) core.schedule.coverSlot(now) // 2
}

function isClosedOnOpen(slot: Slot<unknown>, now: number): boolean {
  const { kind } = slot.state
  if (slot.isGuest || (kind !== 'idle' && kind !== 'verifying')) return false
  return slot.carried === 0 && now - slot.openedAt < CLOSED_ON_OPEN_MS
}

/** When the slot, left alone, needs upkeep. */
export function dueAt<Link, Waiter>(core: PoolCore<Link, Waiter>, slot: Slot<Link>, now: number): number {
  const { state } = slot
  switch (state.kind) {
    case 'idle': {
      const idleUntil = state.since + core.idleTimeoutMs
      // Past its idle timeout and still here: it belongs to the warm level. Looked at again after as long.
      const lookAgainAt = idleUntil > now ? idleUntil : now + core.idleTimeoutMs
      const { horizons } = core
      const expiresAt = slot.isExpiring ? horizons.standsUntil(slot) : horizons.replaceAt(slot)
      return Math.min(lookAgainAt, expiresAt, slot.retireAt)
    }
    case 'verifying':
      return state.deadline
    case 'leased':
      return slot.retireAt
    default:
      return Infinity
  }
}

/** While draining: what nobody waits for may go. */
export function closeUnneeded<Link, Waiter>(
  core: PoolCore<Link, Waiter>,
  actions: PoolAction<Link, Waiter>[],
): void {
  for (const slot of core.slots.all()) {
    const { kind } = slot.state
    if (kind === 'idle' || kind === 'verifying' || kind === 'starting') {
      closeNow(core, slot, 'drained', actions)
    }
  }
}

/**
 * Closes the connection that was idle for longest, so that another pool can have its place. False: none is
 * idle.
 */
export function evictLongestIdle<Link, Waiter>(
  core: PoolCore<Link, Waiter>,
  actions: PoolAction<Link, Waiter>[],
): boolean {
  const slot = core.slots.oldestSpare ?? core.slots.all().find(isSpare)
  if (slot === undefined) return false
  closeNow(core, slot, 'evicted', actions)
  return true
}
