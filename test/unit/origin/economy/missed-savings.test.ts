import { describe, expect, it } from 'vitest'
import type { CoalescingRefusal } from '../../../../src/base/events/observer.ts'
import { parseOrigin } from '../../../../src/base/http/origin.ts'
import type { PoolStats } from '../../../../src/index.ts'
import { economyFigures, NO_COUNTERS } from '../../../../src/origin/economy/economy-figures.ts'
import { missedSavings } from '../../../../src/origin/economy/missed-savings.ts'
import { poolSizing } from '../../../../src/origin/economy/pool-sizing.ts'
import { SettingsBook } from '../../../../src/origin/origin-settings.ts'
import { SHOP_POOL } from '../../../support/shop-pool.ts'

const settings = (options = {}) =>
  new SettingsBook({ defaults: options }).settingsFor(parseOrigin('https://shop.test'))

const busy = economyFigures({ ...NO_COUNTERS, requests: 6000, opened: 10, streamMs: 600_000 }, 60)
const STATS: PoolStats = {
  ...SHOP_POOL,
  economy: { lastMinute: busy, lastHour: busy, sinceStart: busy },
  sizing: poolSizing(busy, settings().pool, { level: 0, streamsPerConnection: 1 }),
  connections: { connecting: 0, idle: 2, leased: 10, draining: 0 },
  byProtocol: { h2: { idle: 2, leased: 10, draining: 0, streams: 10, capacity: 1200 } },
}
const savings = (stats: Partial<PoolStats>, options = {}) =>
  missedSavings(settings(options), { ...STATS, ...stats }).map(
    ({ saving, because }) => `${saving}: ${because}`,
  )

describe('the list of missed savings', () => {
  it('is empty where all is well, and where there were no requests', () => {
    expect(savings({})).toEqual([])
    const none = economyFigures(NO_COUNTERS, 0)
    expect(
      savings({ economy: { lastMinute: none, lastHour: none, sinceStart: none } }, { reuse: 'never' }),
    ).toEqual([])
  })

  it.each([
    [
      'an objective that is missed',
      {
        objective: {
          state: 'missed',
          reuse: 0.92,
          reuseRate: 0.5,
          cause: 'age',
          share: 0.75,
          advice: 'raise it',
        },
      },
      {},
      '42.0 % more of the requests could find a connection (50.0 % do): age, 75.0 % of the connections made: raise it',
    ],
    [
      'reuse that is off',
      {},
      { reuse: 'never' },
      'connections could carry more than one request: reuse is never',
    ],
    [
      'reuse that is careful',
      {},
      { reuse: 'safe' },
      /^requests that must not be sent twice .*: reuse is safe/,
    ],
    [
      'HTTP/1.1 where the origin has no more',
      { byProtocol: { 'http/1.1': { idle: 2, leased: 10, draining: 0, streams: 10, capacity: 12 } } },
      {},
      /^one connection could carry what 12 do: the origin agrees to http\/1\.1 only/,
    ],
    [
      'HTTP/1.1 by configuration',
      { byProtocol: { 'http/1.1': { idle: 2, leased: 10, draining: 0, streams: 10, capacity: 12 } } },
      { protocols: ['http/1.1'] },
      /protocols allows http\/1\.1 only/,
    ],
    [
      'connections that age out',
      { idleHorizon: { ...SHOP_POOL.idleHorizon, keptMs: 5000, retired: 7 } },
      {},
      /^7 connections aged out .*: the origin keeps idle ones for 5000 ms, and pool.headroom is 0/,
    ],
    [
      'connections that nobody needs',
      { connections: { connecting: 0, idle: 40, leased: 10, draining: 0 } },
      {},
      /^35 of 50 connections are more than the last minute needed/,
    ],
    [
      'hints that nobody follows',
      { hints: { ...SHOP_POOL.hints, opened: 5, unused: 3 } },
      {},
      /^3 of 5 connections that hints opened carried no request: .*preconnectHints: never/,
    ],
    [
      'tickets',
      { opened: { full: 11, resumed: 0, earlyData: 0, cleartext: 0 } },
      {},
      /^11 handshakes could have been resumed/,
    ],
  ] as [string, Partial<PoolStats>, object, string | RegExp][])('names %s', (_what, stats, options, line) => {
    const found = savings(stats, options)
    expect(found).toHaveLength(1)
    if (typeof line === 'string') expect(found[0]).toBe(line)
    else expect(found[0]).toMatch(line)
  })
})

describe('a connection of another origin that could not be shared', () => {
  const missed = (reason: CoalescingRefusal) =>
    missedSavings(settings(), STATS, {
      kind: 'refused',
      reason,
      owner: 'https://other.test',
      because: 'its certificate does not cover shop.test',
    }).map(({ saving, because }) => `${saving}: ${because}`)

  it('is a missed saving where the operator can change that, with the option for it', () => {
    expect(missed('certificate')).toEqual([
      'requests could go over a connection of https://other.test: its certificate does not cover shop.test; ' +
        'a certificate for both names, or certificateNames, lets it be shared',
    ])
    const remedies = (['never', 'trust', 'origin-set', 'avoided', 'misdirected'] as const).flatMap(missed)
    expect(remedies).toHaveLength(5)
  })

  it('is none where that passes by itself, or the request goes elsewhere', () => {
    expect([...missed('busy'), ...missed('address')]).toEqual([])
  })
})

describe('the size of a pool by measurement', () => {
  it('comes with its arithmetic, and what 200 edges cost the origin', () => {
    const sizing = poolSizing(
      busy,
      { headroom: 1.5, maxConnections: 64 },
      { level: 15, streamsPerConnection: 1 },
    )
    expect(sizing).toMatchObject({
      needed: 15,
      level: 15,
      ceiling: 64,
      fleet: { edges: 200, connections: 3000 },
    })
    expect(sizing.arithmetic).toBe(
      '100 requests/s x 100 ms = 10 at once, x 1.5 / 1 a connection = 15 connections',
    )
    const shared = poolSizing(
      busy,
      { headroom: 0, maxConnections: 64 },
      { level: 0, streamsPerConnection: 100 },
    )
    expect(shared.arithmetic).toMatch(/x 1\.5 \/ 100 a connection \+ 1 spare = 2 connections$/)
  })

  it('is not known before the first request, nor before a connection has announced its capacity', () => {
    const limits = { headroom: 1.5, maxConnections: 64 }
    expect(poolSizing(busy, limits, { level: 0, streamsPerConnection: undefined }).needed).toBeUndefined()
    const none = economyFigures(NO_COUNTERS, 0)
    const sizing = poolSizing(none, limits, { level: 0, streamsPerConnection: 1 })
    expect([sizing.needed, sizing.arithmetic]).toEqual([undefined, 'no request in the last minute'])
  })
})
