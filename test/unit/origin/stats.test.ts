import { describe, expect, it } from 'vitest'
import { poolStats } from '../../../src/origin/stats.ts'
import type { PoolCounts } from '../../../src/pool/pool-counts.ts'
import { NO_ECONOMY } from '../../support/economy-figures.ts'
import { handshakeFigures } from '../../support/handshake-figures.ts'
import { NO_HORIZON } from '../../support/idle-horizon-figures.ts'
import { NO_MIGRATIONS } from '../../support/migration-figures.ts'
import { NO_BOUNDS } from '../../support/no-bounds.ts'

const SHOWN = {
  retries: 2,
  handshakes: handshakeFigures({
    reuse: { count: 1, roundTrips: 2, seconds: 0.375 },
    fastOpen: { count: 1, roundTrips: 1, seconds: 0.125 },
  }),
  path: undefined,
  pathByProtocol: {},
  migrations: NO_MIGRATIONS,
  ...NO_ECONOMY,
  ...NO_BOUNDS,
}
/** Of all means together. */
const SAVED = { handshakeRttsSaved: 3, handshakeSecondsSaved: 0.5 }
const ENTRY = { ...SHOWN, refusedEarly: { full: 0, resumed: 0 } }
const counts = (over: Partial<PoolCounts>): PoolCounts => ({
  connections: { connecting: 0, idle: 1, leased: 1, draining: 0 },
  byProtocol: { h2: { idle: 1, leased: 1, draining: 0, streams: 5, capacity: 200 } },
  coalesced: 1,
  backingOff: false,
  waiters: 1,
  overloaded: false,
  shed: 2,
  protectedRefusals: 3,
  streams: 5,
  stalled: 1,
  opened: { full: 1, resumed: 1, earlyData: 0, cleartext: 0 },
  closed: { 'idle-timeout': 1 },
  connectFailures: 1,
  requests: 100,
  idleHorizon: NO_HORIZON,
  reused: 98,
  list: ['#1'],
  ...over,
})

const alone = (over: Partial<PoolCounts>) => [{ label: undefined, counts: counts(over) }]

describe('the stats of an origin', () => {
  it('are those of its pool', () => {
    expect(poolStats('https://a', alone({}), ENTRY)).toEqual({
      origin: 'https://a',
      ...counts({}),
      ...SHOWN,
      ...SAVED,
      reuseRatio: 0.98,
    })
    expect(poolStats('https://a', alone({ requests: 0 }), ENTRY).reuseRatio).toBe(0)
  })

  it('count a connection whose early data was refused by the kind of its handshake', () => {
    const opened = { full: 1, resumed: 1, earlyData: 4, cleartext: 0 }
    const entry = { ...ENTRY, refusedEarly: { full: 2, resumed: 1 } }
    expect(poolStats('https://a', alone({ opened }), entry).opened).toEqual({
      full: 3,
      resumed: 2,
      earlyData: 1,
      cleartext: 0,
    })
  })

  it('add its pools up, and assign connections to their users where that is known', () => {
    const upgrades = counts({
      connections: { connecting: 1, idle: 0, leased: 2, draining: 1 },
      byProtocol: {
        'http/1.1': { idle: 0, leased: 2, draining: 1, streams: 3, capacity: 2 },
        h2: { idle: 1, leased: 1, draining: 1, streams: 1, capacity: 1 },
      },
      backingOff: true,
      closed: { 'idle-timeout': 1, upgraded: 4 },
    })
    const pools = [...alone({}), { label: 'for upgrades', counts: upgrades }]
    expect(poolStats('https://a', pools, ENTRY)).toEqual({
      origin: 'https://a',
      overloaded: false,
      shed: 4,
      protectedRefusals: 6,
      connections: { connecting: 1, idle: 1, leased: 3, draining: 1 },
      byProtocol: {
        h2: { idle: 2, leased: 2, draining: 1, streams: 6, capacity: 201 },
        'http/1.1': { idle: 0, leased: 2, draining: 1, streams: 3, capacity: 2 },
      },
      coalesced: 2,
      backingOff: true,
      waiters: 2,
      streams: 10,
      stalled: 2,
      opened: { full: 2, resumed: 2, earlyData: 0, cleartext: 0 },
      closed: { 'idle-timeout': 2, upgraded: 4 },
      connectFailures: 2,
      requests: 200,
      reused: 196,
      idleHorizon: NO_HORIZON,
      list: ['#1', '#1 (for upgrades)'],
      ...SHOWN,
      ...SAVED,
      reuseRatio: 0.98,
    })
  })

  it('add up any number of pools', () => {
    const stats = poolStats(
      'https://a',
      [
        { label: 'tcp', counts: counts({ backingOff: true, list: ['#1', '#2'] }) },
        { label: undefined, counts: counts({ requests: 0, reused: 0 }) },
        {
          label: 'h3',
          counts: counts({
            byProtocol: { h3: { idle: 0, leased: 1, draining: 0, streams: 1, capacity: 100 } },
          }),
        },
      ],
      ENTRY,
    )
    expect(stats).toMatchObject({
      connections: { connecting: 0, idle: 3, leased: 3, draining: 0 },
      byProtocol: { h2: { streams: 10, capacity: 400 }, h3: { leased: 1, capacity: 100 } },
      backingOff: true,
      requests: 200,
      list: ['#1 (tcp)', '#2 (tcp)', '#1', '#1 (h3)'],
      reuseRatio: 0.98,
    })
    const none = poolStats('https://a', [], ENTRY)
    expect(none).toMatchObject({ requests: 0, list: [], byProtocol: {}, closed: {}, reuseRatio: 0 })
  })

  it('leave the counts of a pool as they were', () => {
    const h2 = Object.freeze({ idle: 1, leased: 1, draining: 0, streams: 5, capacity: 200 })
    const frozen = Object.freeze(counts({ byProtocol: Object.freeze({ h2 }) }))
    const pools = [
      { label: undefined, counts: frozen },
      { label: undefined, counts: frozen },
    ]
    expect(poolStats('https://a', pools, ENTRY).byProtocol).toMatchObject({ h2: { streams: 10 } })
    expect(poolStats('https://a', [], ENTRY).streams).toBe(0)
  })
})
