import { describe, expect, it } from 'vitest'
import { fleetFacts, fleetMetrics, fleetPage } from '../../../../src/service/fleet/fleet-pages.ts'
import type { FleetStatus } from '../../../../src/service/fleet/fleet-shares.ts'

const SHOP = 'https://shop.example'
const NOW = { now: 50_000, wall: Date.UTC(2026, 2, 1, 12) }

const STATUS: FleetStatus = {
  redis: 'redis.example:6379',
  standing: {
    state: 'answering',
    because: undefined,
    since: 40_000,
    answeredAt: 49_500,
    answered: 30,
    failed: 2,
  },
  ceilings: [
    {
      of: SHOP,
      ceiling: 20,
      floor: 1,
      share: 7,
      state: 'granted',
      holds: 6,
      wants: 9,
      asked: 12,
      all: { limit: 20, members: 3, wanted: 25, granted: 20 },
    },
  ],
}
const CUT_OFF: FleetStatus = {
  ...STATUS,
  standing: { ...STATUS.standing, state: 'unreachable', because: 'ECONNREFUSED' },
  ceilings: STATUS.ceilings.map(one => ({ ...one, share: 1, state: 'cut-off' })),
}

const shown = (status: FleetStatus | undefined) =>
  fleetMetrics(status, key => (key === SHOP ? 'shop' : undefined), NOW).flatMap(({ name, values }) =>
    values.map(({ labels, value }) => `${name} ${Object.values(labels).join(' ')} ${value}`),
  )

describe('the pages of a host in a fleet', () => {
  it('show the state of Redis, in wall-clock time, and each ceiling', () => {
    expect(fleetPage(STATUS, NOW)).toEqual({
      redis: 'redis.example:6379',
      state: 'answering',
      since: '2026-03-01T11:59:50.000Z',
      lastAnswer: '2026-03-01T11:59:59.500Z',
      answered: 30,
      failed: 2,
      ceilings: [
        {
          of: SHOP,
          ceiling: 20,
          floor: 1,
          state: 'granted',
          share: 7,
          holds: 6,
          wants: 9,
          fleet: { hosts: 3, wanted: 25, granted: 20 },
        },
      ],
    })
  })

  it('show why it does not answer, and that it never has', () => {
    const never = { ...CUT_OFF, standing: { ...CUT_OFF.standing, answeredAt: undefined } }
    expect(fleetPage(never, NOW)).toMatchObject({ because: 'ECONNREFUSED', lastAnswer: null })
  })

  it('explain the share of this host, and its reason', () => {
    expect(fleetFacts(STATUS, SHOP)).toEqual([
      {
        fact: 'the ceiling is that of a fleet (state.redis)',
        evidence:
          'this host may have 7 of 20 now; 3 hosts want 25, 20 granted; Redis at redis.example:6379 answers',
      },
    ])
    expect(fleetFacts(CUT_OFF, SHOP)[0]?.evidence).toBe(
      'this host may have 1, its protection.floor of 1, instead of a share of 20; Redis at redis.example:6379 does not answer: ECONNREFUSED',
    )
    expect([fleetFacts(STATUS, 'https://other.example'), fleetFacts(undefined, SHOP)]).toEqual([[], []])
  })

  it('are counted in metrics', () => {
    expect(shown(STATUS)).toEqual([
      'middlemile_fleet_redis_up  1',
      `middlemile_fleet_last_answer_timestamp_seconds  ${(NOW.wall - 500) / 1000}`,
      'middlemile_fleet_asks_total answered 30',
      'middlemile_fleet_asks_total failed 2',
      'middlemile_fleet_share shop 7',
      'middlemile_fleet_cut_off shop 0',
      'middlemile_fleet_hosts shop 3',
      'middlemile_fleet_wanted shop 25',
    ])
    expect(shown(CUT_OFF)).toEqual(
      expect.arrayContaining(['middlemile_fleet_redis_up  0', 'middlemile_fleet_cut_off shop 1']),
    )
    expect(shown(undefined)).toEqual([])
  })
})
