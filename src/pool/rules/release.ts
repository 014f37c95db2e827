import { TransportError } from '../../base/errors.ts'
import type { CloseReason, KeepAliveHint } from '../../base/events/connection.ts'
import type { PoolCore } from '../pool-core.ts'
import type { Slot } from '../slot.ts'
import { expiryOf } from './retirement.ts'
import { takeBack } from './stalled.ts'
import { dueAt } from './upkeep.ts'

/** Takes one exchange off the connection. Answers why it must go, if it must. */
export function releaseStream<Link, Waiter>(
  core: PoolCore<Link, Waiter>,
  slot: Slot<Link>,
  now: number,
): CloseReason | undefined {
  const { state } = slot
  if (state.kind === 'leased') {
    if (state.usedStreams > 1) {
      core.slots.move(slot, { kind: 'leased', usedStreams: state.usedStreams - 1 })
    } else becomeIdle(core, slot, now)
    if (slot.errors >= core.maxErrors) return 'errors'
    if (slot.leases >= slot.leaseLimit) return 'max-requests' // the limit sank by a hint
    if (slot.state.kind !== 'idle') return undefined
    return expiryOf(core, slot, now, now) ?? takeBack(core, slot)
  }
  if (state.kind === 'draining' && state.usedStreams > 0) {
    core.slots.move(slot, { ...state, usedStreams: state.usedStreams - 1 })
    return state.by === 'pool' && slot.usedStreams === 0 ? state.reason : undefined
  }
  throw new TransportError('MM_INTERNAL', `pool: an exchange ended on ${slot.toString()}, which carried none`)
}

export function becomeIdle<Link, Waiter>(core: PoolCore<Link, Waiter>, slot: Slot<Link>, now: number): void {
  core.slots.move(slot, { kind: 'idle', since: now })
  const due = dueAt(core, slot, now)
  if (due < core.slotsDueAt) core.slotsDueAt = due
}

/**
 * Takes over what the origin said with `Keep-Alive`. Its clock started when it sent the answer, ours when we
 * read it: the margin makes up for that, and is half of the timeout at the most, so that short timeouts leave
 * something to use.
 */
export function applyHint<Link, Waiter>(
  core: PoolCore<Link, Waiter>,
  slot: Slot<Link>,
  hint: KeepAliveHint | undefined,
  now: number,
): void {
  const timeoutMs = hint?.timeoutMs
  if (timeoutMs === undefined) slot.keepAliveUntil = Infinity
  else slot.keepAliveUntil = now + timeoutMs - Math.min(core.options.keepAliveMarginMs, timeoutMs / 2)
  if (hint?.maxRequests !== undefined) {
    slot.leaseLimit = Math.min(core.maxRequests, slot.leases + hint.maxRequests)
  }
}
