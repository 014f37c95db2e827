import { stacklessError, TransportError } from '../../base/errors.ts'
import type { PoolCore } from '../pool-core.ts'

/** The refusal of one more waiter. */
export function queueFullError(core: PoolCore<unknown, unknown>): TransportError {
  const { maxWaiters } = core.options
  return stacklessError(
    'MM_QUEUE_FULL',
    `${core.name}: the queue is full (pool.maxWaiters = ${maxWaiters}), ${describeUse(core)}; ` +
      'raise pool.maxWaiters or pool.maxConnections, or send less',
  )
}

/** The end of a wait: it says which limit was in the way, since that is the one to raise. */
export function queueTimeoutError(core: PoolCore<unknown, unknown>): TransportError {
  return stacklessError(
    'MM_QUEUE_TIMEOUT',
    `${core.name}: no connection within pool.queueTimeoutMs = ${core.options.queueTimeoutMs}, ${describeUse(core)}; ${advice(core)}`,
  )
}

/** The end of a wait that makes room for newcomers. */
export function queueOverloadedError(core: PoolCore<unknown, unknown>): TransportError {
  const { queueTargetMs, queueIntervalMs } = core.options
  return stacklessError(
    'MM_QUEUE_OVERLOADED',
    `${core.name}: requests wait longer than pool.queueTargetMs = ${queueTargetMs} for more than pool.queueIntervalMs = ` +
      `${queueIntervalMs}, ${describeUse(core)}, and newer ones go first; ${advice(core)}`,
  )
}

/** The refusal of requests to a pool that is going away. */
export function poolClosedError(core: PoolCore<unknown, unknown>): TransportError {
  const what = core.mode === 'draining' ? 'draining' : 'closed'
  return core.closeError ?? new TransportError('MM_TRANSPORT_CLOSED', `${core.name}: the pool is ${what}`)
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
  if (slots.aside > 0 && core.stalledPlaces === 0) {
    return 'clients that stall hold what they may: raise pool.maxStalledConnections and limits.maxStalledConnections'
  }
  if (core.isFull && slots.count('starting') === 0) {
    return 'raise pool.maxConnections, or pool.maxStreamsPerConnection if the origin multiplexes'
  }
  if (budget.isFull) {
    return `raise limits.maxTotalConnections = ${budget.limit}, which all origins together have reached`
  }
  if (slots.count('starting') > 0) return 'the origin is slow to connect: check the path to it'
  return 'raise pool.queueTimeoutMs, or look at the origin'
}
