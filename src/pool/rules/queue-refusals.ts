import { stacklessError, type TransportError } from '../../base/errors.ts'
import type { PoolAction } from '../pool-action.ts'
import type { PoolCore } from '../pool-core.ts'
import type { ConnectionBudget } from './connection-budget.ts'
import { MAX_SHED_PER_ARRIVAL } from './queue-overload.ts'

/**
 * Before somebody is to wait: where the pool is overloaded, those who have waited too long give way. (Without
 * newcomers everybody is served in the end, so that nobody is refused.) Those that a connection died under
 * are not looked at: they are few, and were admitted before.
 */
export function shedLate<Link, Waiter>(
  core: PoolCore<Link, Waiter>,
  now: number,
  actions: PoolAction<Link, Waiter>[],
): void {
  const { overload } = core
  const { any } = core.waiters
  const { headSince } = any
  if (overload.targetMs === 0) return
  if (headSince === undefined) {
    overload.onEmpty()
    return
  }
  if (!overload.isOverloaded) overload.onArrival(headSince, isFull(core, now), now)
  if (!overload.isOverloaded) return
  // Many slow readers at once make a queue that drains as they are set aside: newcomers go first meanwhile,
  // and nobody is refused for it while there is room to wait.
  if (core.stalled.isGrowing(now) && core.waiters.size < core.maxWaiters) return
  for (let shed = 0; shed < MAX_SHED_PER_ARRIVAL; shed++) {
    const since = any.headSince
    if (since === undefined || now - since <= overload.targetMs) return
    const waiter = any.shiftOldest()
    if (waiter === undefined) return
    core.tally.onShed()
    actions.push({ type: 'reject', waiter, error: queueOverloadedError(core) })
  }
}

/**
 * The connections carry requests, and no further one can be made now. Before the first one is open, whoever
 * waits waits for a handshake: that says nothing of the load.
 */
function isFull(core: PoolCore<unknown, unknown>, now: number): boolean {
  const { slots, budget, backoff } = core
  if (slots.count('leased') === 0) return false
  return core.isFull || backoff.isActive(now) || budget.isFull
}

/** The refusal of one more waiter. */
export function queueFullError(core: PoolCore<unknown, unknown>): TransportError {
  const { maxWaiters } = core
  const full = `the queue is full (${core.maxWaitersOption} = ${maxWaiters})`
  const ceiling = ceilingInTheWay(core)
  if (ceiling !== undefined) return protectedError(core, ceiling, full)
  return stacklessError(
    'MM_QUEUE_FULL',
    `${core.name}: ${full}, ${describeUse(core)}; ` +
      `raise ${core.maxWaitersOption} or pool.maxConnections, or send less`,
  )
}

/** The end of a wait: it says which limit was in the way, since that is the one to raise. */
export function queueTimeoutError(core: PoolCore<unknown, unknown>): TransportError {
  const late = `no connection within pool.queueTimeoutMs = ${core.options.queueTimeoutMs}`
  const ceiling = ceilingInTheWay(core)
  if (ceiling !== undefined) return protectedError(core, ceiling, late)
  return stacklessError('MM_QUEUE_TIMEOUT', `${core.name}: ${late}, ${describeUse(core)}; ${advice(core)}`)
}

/** The end of a wait that makes room for newcomers. */
function queueOverloadedError(core: PoolCore<unknown, unknown>): TransportError {
  const { queueTargetMs, queueIntervalMs } = core.options
  const overloaded = `requests wait longer than pool.queueTargetMs = ${queueTargetMs} for more than pool.queueIntervalMs = ${queueIntervalMs}`
  const ceiling = ceilingInTheWay(core)
  if (ceiling !== undefined) return protectedError(core, ceiling, overloaded)
  return stacklessError(
    'MM_QUEUE_OVERLOADED',
    `${core.name}: ${overloaded}, ${describeUse(core)}, and newer ones go first; ${advice(core)}`,
  )
}

/** The ceiling of the origin, where that is what keeps the pool from another connection. */
function ceilingInTheWay(core: PoolCore<unknown, unknown>): ConnectionBudget | undefined {
  return core.isFull ? undefined : core.budget.reachedCeiling
}

function protectedError(
  core: PoolCore<unknown, unknown>,
  { ceiling, wholeCeiling }: ConnectionBudget,
  why: string,
): TransportError {
  core.tally.onProtected()
  const share = ceiling < wholeCeiling ? `, of which this process may have ${ceiling} now` : ''
  return stacklessError(
    'MM_ORIGIN_PROTECTED',
    `${core.name}: ${why}, and the origin is protected (protection.maxConnections = ${wholeCeiling}${share}), ${describeUse(core)}; ` +
      'send it less, or raise protection.maxConnections if it can carry more',
  )
}

function describeUse(core: PoolCore<unknown, unknown>): string {
  const { slots } = core
  const limit = core.options.maxConnections === 0 ? 'any number' : core.options.maxConnections
  const busy = slots.count('leased') + slots.count('draining') // tunnels among the latter
  const aside = slots.aside === 0 ? '' : `, ${slots.aside} of them aside since their readers stall`
  return (
    `with ${slots.size} connections (pool.maxConnections = ${limit}), ${busy} of them busy ` +
    `and ${slots.count('starting')} still connecting${aside}`
  )
}

function advice(core: PoolCore<unknown, unknown>): string {
  const { slots, budget } = core
  if (slots.aside > 0 && core.stalled.places === 0) {
    return 'clients that stall hold what they may: raise pool.maxStalledConnections and limits.maxStalledConnections'
  }
  if (core.isFull && slots.count('starting') === 0) {
    return 'raise pool.maxConnections, or pool.maxStreamsPerConnection if the origin multiplexes'
  }
  const { reached } = budget
  if (reached !== undefined)
    return `raise ${reached.name.option} = ${reached.limit}, which ${reached.name.whose} have reached`
  if (slots.count('starting') > 0) return 'the origin is slow to connect: check the path to it'
  return 'raise pool.queueTimeoutMs, or look at the origin'
}
