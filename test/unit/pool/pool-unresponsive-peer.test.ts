import { describe, expect, it } from 'vitest'
import { TransportError } from '../../../src/base/errors.ts'
import type { CloseReason } from '../../../src/base/events/connection.ts'
import { drivenPool } from '../../support/pool-driver.ts'

const timedOut = new TransportError('MM_CONNECTION_RESET', 'the connection broke', {
  cause: Object.assign(new Error('read ETIMEDOUT'), { code: 'ETIMEDOUT' }),
})

/**
 * Two idle connections, one of them for longer than `verifyAfterIdleMs`, and one with an exchange under way.
 */
async function setUp() {
  const driven = drivenPool({ verifyAfterIdleMs: 1_000 })
  const { acquire, clock, connector, pool } = driven
  for (const name of ['a', 'b', 'c']) acquire(name)
  const stale = await connector.succeed(1)
  const recent = await connector.succeed(1)
  const busy = await connector.succeed(1)
  stale.finish()
  clock.advance(500)
  recent.finish()
  clock.advance(500)
  expect(pool.stats().connections).toMatchObject({ idle: 2, leased: 1 })
  return { ...driven, stale, recent, busy }
}

describe('a connection whose peer is unresponsive', () => {
  it.each([
    [1, 'unresponsive', 'unresponsive'],
    [1, 'peer-closed', undefined],
    [2, 'unresponsive', undefined],
  ] as const)(
    'makes room in a pool that is full, and only there (of %i, %s)',
    async (maxConnections, reason, closedFor) => {
      const { acquire, connector, log, pool } = drivenPool({ maxConnections })
      acquire('a')
      const gone = await connector.succeed(4)
      gone.announceDraining(reason)
      expect([gone.closedFor, connector.dials.length]).toEqual([undefined, 0])
      acquire('b')
      expect(gone.closedFor).toBe(closedFor)
      if (connector.dials.length > 0) {
        await connector.succeed(4)
        expect(log.at(-1)).toBe('b leased')
      } else expect(reason).toBe('peer-closed')
      pool.assertConsistent()
    },
  )
})

describe('a peer that was found unresponsive', () => {
  it.each<[CloseReason, TransportError | undefined]>([
    ['ping-failed', undefined],
    ['network-error', timedOut],
  ])(
    'by %s loses the connections that were idle for as long, before a request meets them',
    async (reason, error) => {
      const { stale, recent, busy, acquire, log, connector } = await setUp()
      busy.endClose(reason, error)
      expect([stale.closedFor, recent.isClosed]).toEqual(['ping-failed', false])
      acquire('d')
      acquire('e')
      expect(log.slice(3)).toEqual(['d leased (reused)'])
      await connector.succeed(1)
      expect(log.slice(4)).toEqual(['e leased'])
    },
  )

  it.each<CloseReason>(['peer-closed', 'network-error', 'timeout'])(
    'differs from one that ended a connection by %s',
    async reason => {
      const { stale, busy, pool } = await setUp()
      busy.endClose(reason, new TransportError('MM_CONNECTION_RESET', 'reset'))
      expect(stale.isClosed).toBe(false)
      pool.assertConsistent()
    },
  )
})
