import type { PoolAction } from '../pool-action.ts'
import type { PoolCore } from '../pool-core.ts'
import type { Slot } from '../slot.ts'
import { verify } from './assignment.ts'
import { closeNow, dueAt, expiryOf, retire } from './retirement.ts'

/**
 * What the passing of time asks of the connections: a walk over all of them, but only when one of them is
 * due.
 */
export function keepUp<Link, Waiter>(
  core: PoolCore<Link, Waiter>,
  now: number,
  actions: PoolAction<Link, Waiter>[],
): void {
  if (core.warm.takeCheck(now)) checkWarm(core, now, actions)
  if (now >= core.schedule.slotsDueAt) keepUpSlots(core, now, actions)
}

function keepUpSlots<Link, Waiter>(
  core: PoolCore<Link, Waiter>,
  now: number,
  actions: PoolAction<Link, Waiter>[],
): void {
  closeExpired(core, now, actions)
  core.schedule.forgetSlots()
  for (const slot of core.slots.all()) {
    const { state } = slot
    if (state.kind === 'verifying' && now >= state.deadline) onPingUnanswered(core, slot, now, actions)
    else if (state.kind === 'leased' && now >= slot.retireAt) retire(core, slot, 'max-age', actions)
    else if (state.kind === 'idle' && now >= core.horizons.replaceAt(slot)) core.slots.markExpiring(slot)
    core.schedule.coverSlot(dueAt(core, slot, now))
  }
}

/** Another warm level. Of what it does not ask for any more, what was idle for too long goes at once. */
export function changeWarm<Link, Waiter>(
  core: PoolCore<Link, Waiter>,
  warm: number,
  now: number,
  actions: PoolAction<Link, Waiter>[],
): void {
  if (core.warm.changeFloor(warm, now)) onLevelSunk(core, now, actions)
}

/** The level follows the demand. */
export function followDemand<Link, Waiter>(
  core: PoolCore<Link, Waiter>,
  now: number,
  actions: PoolAction<Link, Waiter>[],
): void {
  core.demand.tick(core.slots.usedStreams, now)
  applyDemand(core, now, actions)
}

/** Makes the level what the demand is as of its last tick. */
export function applyDemand<Link, Waiter>(
  core: PoolCore<Link, Waiter>,
  now: number,
  actions: PoolAction<Link, Waiter>[],
): void {
  const { demand, limits, horizons, idleTimeoutMs, maxConnections } = core
  const keptMs = Math.min(idleTimeoutMs, horizons.keptMs)
  const level = demand.level({ streamsPerConnection: limits.streams, keptMs, maxConnections })
  if (core.warm.changeDemand(level, now)) onLevelSunk(core, now, actions)
  core.rescues = rescuesWanted(core, now)
}

/**
 * Leases take the newest idle connection, so that those of the level that a quiet moment does not need would
 * age out, and be made again. A request in time keeps one alive, whichever it goes over: so many of the next
 * ones go over the oldest that they, with those that were used lately, are the level.
 */
function rescuesWanted(core: PoolCore<unknown, unknown>, now: number): number {
  const { slots, horizons } = core
  const target = core.targetConnections
  if (target === 0) return 0
  let old = 0
  for (let slot = slots.oldestIdle; slot !== undefined; slot = slot.newer) {
    if (now < (slot.usedAt + horizons.usableUntil(slot)) / 2) break
    old += 1
  }
  return Math.min(old, Math.max(0, target - (slots.live - old)))
}

function onLevelSunk<Link, Waiter>(
  core: PoolCore<Link, Waiter>,
  now: number,
  actions: PoolAction<Link, Waiter>[],
): void {
  if (core.warm.takeCheck(now)) checkWarm(core, now, actions)
  keepUpSlots(core, now, actions)
}

/** The longest idle first, so that what is left to keep the warm level is what was used last. */
function closeExpired<Link, Waiter>(
  core: PoolCore<Link, Waiter>,
  now: number,
  actions: PoolAction<Link, Waiter>[],
): void {
  for (let slot = core.slots.oldestIdle; slot !== undefined; ) {
    const next = slot.newer
    closeIfExpired(core, slot, now, actions)
    slot = next
  }
  for (const slot of core.slots.all()) closeIfExpired(core, slot, now, actions) // idle ones have no order
}

function closeIfExpired<Link, Waiter>(
  core: PoolCore<Link, Waiter>,
  slot: Slot<Link>,
  now: number,
  actions: PoolAction<Link, Waiter>[],
): void {
  if (slot.state.kind !== 'idle') return
  const expired = expiryOf(core, slot, slot.state.since, now)
  if (expired === undefined || (expired === 'keep-alive-timeout' && mayStand(core, slot, now))) return
  closeNow(core, slot, expired, actions)
}

/**
 * The origin is about to end an idle connection. Some stay all the same, unused, and show whether it still
 * does: such as nobody needs.
 */
function mayStand<Link, Waiter>(core: PoolCore<Link, Waiter>, slot: Slot<Link>, now: number): boolean {
  if (now < slot.trialUntil) return true
  const until = core.horizons.onRetiring(slot, core.slots.live > core.targetConnections, now)
  if (until === undefined) return false
  slot.onTrial(Math.min(until, slot.usedAt + core.idleTimeoutMs))
  return now < slot.trialUntil
}

/**
 * (A ping that fails at once, say on a connection that was closed meanwhile, tells nothing of the others.)
 */
function onPingUnanswered<Link, Waiter>(
  core: PoolCore<Link, Waiter>,
  slot: Slot<Link>,
  now: number,
  actions: PoolAction<Link, Waiter>[],
): void {
  closeNow(core, slot, 'ping-failed', actions)
  closeSilent(core, now, actions)
}

/**
 * A peer was found silent, and it is the path that is dead rather than the one connection: what was idle for
 * as long as to need a check is not worth a wait of its own, so it goes as well.
 */
export function closeSilent<Link, Waiter>(
  core: PoolCore<Link, Waiter>,
  now: number,
  actions: PoolAction<Link, Waiter>[],
): void {
  for (let idle = core.slots.oldestIdle; idle !== undefined; ) {
    const next = idle.newer
    if (idle.state.kind === 'idle' && now - idle.state.since >= core.verifyAfterIdleMs) {
      closeNow(core, idle, 'ping-failed', actions)
    }
    idle = next
  }
}

/**
 * Verifies the warm level's connections, the newest idle ones. One that proved itself within the period needs
 * no check.
 */
function checkWarm<Link, Waiter>(
  core: PoolCore<Link, Waiter>,
  now: number,
  actions: PoolAction<Link, Waiter>[],
): void {
  const { connections, checkMs } = core.warm
  let slot = core.slots.newestIdle
  for (let looked = 0; looked < connections && slot !== undefined; looked += 1) {
    const next: Slot<Link> | undefined = slot.older
    if (slot.state.kind === 'idle') {
      // Half the period: one that answered the check before is due again, though its answer took a moment.
      const isSilent = now - slot.state.since >= checkMs / 2
      if (isSilent && expiryOf(core, slot, slot.state.since, now) === undefined)
        verify(core, slot, now, actions)
    }
    slot = next
  }
}
