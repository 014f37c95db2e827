import { TransportError } from '../base/errors.ts'
import type { PoolCore } from './pool-core.ts'
import { connectionsForSpread } from './rules/dialing.ts'
import type { Slot } from './slot.ts'

/** Throws unless every counter and every order is what a recount says, and nobody waits for what is there. */
export function assertConsistent<Link, Waiter>(core: PoolCore<Link, Waiter>): void {
  core.slots.assertConsistent()
  core.waiters.assertConsistent()
  const free = core.slots.leastLoaded
  const isWaitedFor = core.waiters.any.size > 0
  expect(
    core.slots.counted <= orInfinity(core.options.maxConnections),
    'more connections than maxConnections',
  )
  expect(core.slots.aside <= core.options.maxStalledConnections, 'more connections aside than may be')
  expect(core.mode !== 'closed' || core.waiters.size === 0, 'somebody waits for a closed pool')
  expect(!isWaitedFor || free === undefined, 'somebody waits while a connection has room')
  expect(core.warm.connections > 0 || core.warm.checkAt === Infinity, 'checks for a warm level of 0')
  for (const slot of core.slots.all()) {
    expect(
      latestUpkeep(core, slot) >= core.schedule.slotsDueAt,
      `${slot.toString()} is due before the upkeep`,
    )
  }
  expect(mayStayCrowded(core), 'exchanges crowd on fewer connections than they are to be spread over')
  const dueAt = Math.min(core.schedule.slotsDueAt, core.waiters.dueAt)
  expect(dueAt >= core.schedule.armedAt, 'something is due before the timer')
}

/** Connections are missing for the spread only where something stands against another dial. */
function mayStayCrowded<Link, Waiter>(core: PoolCore<Link, Waiter>): boolean {
  const { slots, budget } = core
  if (connectionsForSpread(core) <= slots.live + slots.count('starting')) return true
  return core.backoff.isFailing || core.isFull || budget.isLimited || budget.starving > 0
}

/** When the slot must have been looked at, whatever the idle timeout says. */
function latestUpkeep(core: PoolCore<unknown, unknown>, slot: Slot<unknown>): number {
  const { state } = slot
  if (state.kind === 'idle') return Math.min(slot.retireAt, core.horizons.standsUntil(slot))
  if (state.kind === 'verifying') return state.deadline
  return state.kind === 'leased' ? slot.retireAt : Infinity
}

function expect(condition: boolean, message: string): void {
  if (!condition) throw new TransportError('MM_INTERNAL', `pool: ${message}`)
}

function orInfinity(value: number): number {
  return value === 0 ? Infinity : value
}
