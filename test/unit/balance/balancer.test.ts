import { describe, expect, it } from 'vitest'
import { type BalanceChoice, type BalancedEndpoint, Balancer } from '../../../src/balance/balancer.ts'
import {
  type BalanceOptions,
  type BalancePolicy,
  DEFAULT_BALANCE_OPTIONS,
} from '../../../src/base/options/balance-options.ts'
import { seededRandom } from '../../../src/base/seeded-random.ts'
import type { TryOutcome } from '../../../src/health/try-outcome.ts'
import { healthOf } from '../../support/endpoint-health.ts'
import { fc } from '../../support/property.ts'

const NOBODY: ReadonlySet<number> = new Set()

interface World {
  readonly balancer: Balancer
  readonly health: ReturnType<typeof healthOf>
  readonly panics: string[]
  readonly underWay: number[]
}

function choose(
  balancer: Balancer,
  key: string | undefined,
  tried: ReadonlySet<number>,
  now: number,
  avoided?: number,
): BalanceChoice | undefined {
  const chosen = balancer.choose({ key, tried, avoided, isRetry: false }, now)
  if (chosen !== undefined && 'refused' in chosen) throw new Error(chosen.refused)
  return chosen
}

function world(
  policy: Exclude<BalancePolicy, 'in-order'>,
  endpoints: readonly Partial<BalancedEndpoint>[],
  options: Partial<BalanceOptions> = {},
  seed = 1,
): World {
  const underWay = endpoints.map(() => 0)
  const health = healthOf(endpoints.length, { maxEjectedShare: 1 })
  const panics: string[] = []
  const balancer = new Balancer({
    endpoints: endpoints.map((endpoint, index) => endpointOf(index, endpoint)),
    subsetSeed: seed,
    options: { ...DEFAULT_BALANCE_OPTIONS, ...options, policy },
    backoffBaseMs: 100,
    backoffMaxMs: 1_000,
    random: seededRandom(seed),
    underWay: index => underWay[index] ?? 0,
    health,
    breakers: undefined,
    onPanic: (isOn, because) => panics.push(`${isOn ? 'on' : 'off'}: ${because}`),
  })
  return { balancer, underWay, health, panics }
}

function endpointOf(index: number, endpoint: Partial<BalancedEndpoint> = {}): BalancedEndpoint {
  return {
    index,
    address: `192.0.2.${index + 1}`,
    weight: 1,
    tier: 0,
    zone: '',
    name: undefined,
    ...endpoint,
  }
}

function spread({ balancer, underWay }: World, requests: number, now = 0): number[] {
  const counts = underWay.map(() => 0)
  for (let i = 0; i < requests; i += 1) {
    const chosen = choose(balancer, `/key/${i}`, NOBODY, now)
    if (chosen === undefined) throw new Error('nobody was chosen')
    counts[chosen.index] = (counts[chosen.index] ?? 0) + 1
  }
  return counts
}

describe('a balancer that chooses an endpoint', () => {
  it('takes the lowest tier that can be connected to, and returns to a lower one that is back', () => {
    const one = world('round-robin', [{}, {}, { tier: 1 }])
    expect(spread(one, 10)).toEqual([5, 5, 0])
    one.balancer.onConnectFailed(0, 'refused', 0)
    expect(spread(one, 10)).toEqual([0, 10, 0])
    one.balancer.onConnectFailed(1, 'refused', 0)
    expect(spread(one, 10)).toEqual([0, 0, 10])
    one.balancer.onConnected(0, 10)
    expect(spread(one, 10, 10)).toEqual([10, 0, 0])
  })

  it('takes the nearest zone of the tier, and those of no named zone last', () => {
    const one = world('round-robin', [{}, { zone: 'far' }, { zone: 'near' }], { zones: ['near', 'far'] })
    expect(spread(one, 4)).toEqual([0, 0, 4])
    one.balancer.onConnectFailed(2, 'refused', 0)
    expect(spread(one, 4)).toEqual([0, 4, 0])
    one.balancer.onConnectFailed(1, 'refused', 0)
    expect(spread(one, 4)).toEqual([4, 0, 0])
  })

  it('fills a subset with another endpoint when one of it is down', () => {
    const one = world(
      'round-robin',
      Array.from({ length: 10 }, () => ({})),
      { subsetSize: 3 },
    )
    const before = spread(one, 300)
    expect(before.filter(count => count === 100)).toHaveLength(3)
    const gone = before.indexOf(100)
    one.balancer.onConnectFailed(gone, 'refused', 0)
    const after = spread(one, 300)
    expect(after[gone]).toBe(0)
    expect(after.filter(count => count === 100)).toHaveLength(3)
    expect(after.filter((count, index) => count > 0 && before[index] === 100)).toHaveLength(2)
  })

  it('tries all where none can be connected to, and says so', () => {
    const one = world('round-robin', [{}, {}])
    one.balancer.onConnectFailed(0, 'refused', 0)
    one.balancer.onConnectFailed(1, 'refused', 0)
    expect(spread(one, 4)).toEqual([2, 2])
    expect(choose(one.balancer, undefined, NOBODY, 0)?.because).toBe(
      'none can be connected to: all are tried',
    )
  })

  it('does not repeat an endpoint for a request, goes to the next tier then, and ends when all were tried', () => {
    const { balancer } = world('least-requests', [{}, {}, { tier: 1 }])
    const first = choose(balancer, undefined, new Set([0]), 0)
    expect(first?.index).toBe(1)
    expect(choose(balancer, undefined, new Set([0, 1]), 0)?.index).toBe(2)
    expect(choose(balancer, undefined, new Set([0, 1, 2]), 0)).toBeUndefined()
  })

  it.each(['round-robin', 'least-requests', 'hash'] as const)(
    'avoids an endpoint with %s, unless there is no other',
    policy => {
      const { balancer } = world(policy, [{}, {}])
      for (let i = 0; i < 20; i += 1) {
        expect(choose(balancer, `/${i}`, NOBODY, 0, 0)?.index).toBe(1)
        expect(choose(balancer, `/${i}`, new Set([1]), 0, 0)?.index).toBe(0)
      }
      balancer.onConnectFailed(1, 'refused', 0)
      expect(choose(balancer, '/', NOBODY, 0, 0)?.index).toBe(0)
    },
  )

  it('tries an endpoint that is down again beside the requests, one connect at a time', () => {
    const { balancer } = world('round-robin', [{}, {}])
    balancer.onConnectFailed(0, 'refused', 0)
    expect(balancer.takeProbe(49)).toBeUndefined()
    expect(balancer.takeProbe(100)).toBe(0)
    expect(balancer.takeProbe(100)).toBeUndefined()
    balancer.onConnectFailed(0, 'refused', 101)
    expect(balancer.takeProbe(200)).toBeUndefined() // the second pause is from 100 to 200 ms
    expect(balancer.takeProbe(301)).toBe(0)
    balancer.onConnected(0, 302)
    expect([...balancer.figures(302).values()].map(({ state }) => state)).toEqual(['up', 'up'])
  })

  it('gives an endpoint that is back its share gradually', () => {
    const one = world('round-robin', [{}, {}], { slowStartMs: 1_000 })
    one.balancer.onConnectFailed(0, 'refused', 0)
    one.balancer.onConnected(0, 1_000)
    expect(spread(one, 110, 1_000)[0]).toBe(10)
    expect(spread(one, 150, 1_500)[0]).toBe(50)
    expect(spread(one, 200, 2_000)[0]).toBe(100)
  })
})

/** So many requests in a row ended so. */
function fail({ health }: World, index: number, now = 0, outcome: TryOutcome = 'gateway-error'): void {
  for (let i = 0; i < 5; i += 1) health.onOutcome(index, outcome, 1, now)
}

function check({ health }: World, index: number, isGood: boolean, now = 0): void {
  for (let i = 0; i < 3; i += 1) health.onChecked(index, { isGood, because: 'so it is' }, now)
}

describe('a balancer that knows which endpoints are healthy', () => {
  it('sends no request to an endpoint that is ejected or unhealthy, and says why', () => {
    const one = world('round-robin', [{}, {}, {}, {}])
    fail(one, 0)
    check(one, 1, false)
    expect(spread(one, 10)).toEqual([0, 0, 5, 5])
    expect([...one.balancer.figures(0).values()]).toMatchObject([
      { health: 'ejected', healthBecause: '5 gateway errors in a row', isUsed: false },
      { health: 'unhealthy', healthBecause: 'so it is', isUsed: false },
      { health: 'healthy', isUsed: true },
      { health: 'healthy', isUsed: true },
    ])
  })

  it('sends an ejected endpoint a single request when its time is over, and takes it back when that succeeds', () => {
    const one = world('round-robin', [{}, {}])
    fail(one, 0)
    expect(spread(one, 4, 29_999)).toEqual([0, 4])
    expect(choose(one.balancer, '', NOBODY, 30_000)).toEqual({
      index: 0,
      because: 'it was ejected, and this request finds out whether it is back',
    })
    expect(spread(one, 4, 30_001)).toEqual([0, 4])
    one.health.onOutcome(0, 'success', 1, 30_002)
    expect(spread(one, 4, 30_003)).toEqual([2, 2])
  })

  it('sends an ejected endpoint a request at once when it could not be connected to, and can again', () => {
    const one = world('round-robin', [{}, {}])
    fail(one, 0, 0, 'unreachable')
    one.balancer.onConnectFailed(0, 'refused', 1)
    expect(spread(one, 4, 1_000)).toEqual([0, 4])
    one.balancer.onConnected(0, 1_000)
    expect(choose(one.balancer, '', NOBODY, 1_000)?.index).toBe(0)
  })

  it('gives an endpoint its share gradually when its ejection is over', () => {
    const one = world('round-robin', [{}, {}], { slowStartMs: 1_000 })
    fail(one, 0)
    choose(one.balancer, '', NOBODY, 30_000)
    one.health.onOutcome(0, 'success', 1, 30_000)
    expect(spread(one, 110, 30_000)[0]).toBe(10)
    expect(spread(one, 200, 31_000)[0]).toBe(100)
  })

  it('leaves a tier of which too few are healthy for the next one, and probes it from there', () => {
    const one = world('round-robin', [{}, {}, { tier: 1 }], { panicShare: 0.6 })
    fail(one, 0)
    expect(spread(one, 4)).toEqual([0, 0, 4])
    expect(one.panics).toEqual([])
    expect(choose(one.balancer, '', NOBODY, 30_000)?.index).toBe(0)
    one.health.onOutcome(0, 'success', 1, 30_001)
    expect(spread(one, 4, 30_001)).toEqual([2, 2, 0])
  })

  it('takes the next zone where none of the nearest is healthy', () => {
    const one = world('round-robin', [{ zone: 'near' }, { zone: 'far' }], { zones: ['near', 'far'] })
    check(one, 0, false)
    expect(spread(one, 4)).toEqual([0, 4])
    check(one, 0, true)
    expect(spread(one, 4)).toEqual([4, 0])
  })

  it('ignores health when too few are healthy and there is no other tier, and reports it once', () => {
    const one = world('round-robin', [{}, {}, {}, {}])
    for (const index of [0, 1, 2]) check(one, index, false)
    expect(spread(one, 8)).toEqual([2, 2, 2, 2])
    expect(choose(one.balancer, '', NOBODY, 0)?.because).toBe('too few are healthy: health is ignored')
    check(one, 0, true)
    expect(spread(one, 8).map(count => count > 0)).toEqual([true, false, false, true])
    expect(one.panics).toEqual([
      'on: 1 of 4 endpoints of tier 0 are healthy',
      'off: 2 of 4 endpoints of tier 0 are healthy',
    ])
  })

  it('sends requests to one healthy endpoint of many where the panic threshold is 0', () => {
    const one = world('round-robin', [{}, {}, {}, {}], { panicShare: 0 })
    for (const index of [0, 1, 2]) check(one, index, false)
    expect(spread(one, 4)).toEqual([0, 0, 0, 4])
    check(one, 3, false)
    expect(spread(one, 4)).toEqual([1, 1, 1, 1])
  })

  it('sends no trial request to an endpoint that its health checks find unhealthy', () => {
    const one = world('round-robin', [{}, {}])
    fail(one, 0)
    check(one, 0, false)
    expect(spread(one, 4, 60_000)).toEqual([0, 4])
    check(one, 0, true)
    expect(choose(one.balancer, '', NOBODY, 60_000)?.index).toBe(0)
  })
})

describe('a balancing policy', () => {
  it('of turns spreads requests exactly by weight, without runs', () => {
    const one = world('round-robin', [{ weight: 5 }, { weight: 1 }, { weight: 1 }])
    const order = Array.from({ length: 7 }, () => choose(one.balancer, undefined, NOBODY, 0)?.index)
    expect(order).toEqual([0, 0, 1, 0, 2, 0, 0])
  })

  it('of two random choices picks the endpoint with fewer requests under way for its weight', () => {
    const one = world('least-requests', [{}, {}])
    one.underWay[0] = 3
    expect(spread(one, 50)).toEqual([0, 50])
    const weighted = world('least-requests', [{ weight: 10 }, {}])
    weighted.underWay[0] = 9
    weighted.underWay[1] = 1
    expect(spread(weighted, 50)).toEqual([50, 0])
  })

  it('of latency leaves a slow endpoint almost alone, and tries it again after silence', () => {
    const one = world('peak-ewma', [{}, {}])
    one.balancer.onAnswered(0, 500, 0)
    one.balancer.onAnswered(1, 5, 0)
    one.underWay[0] = one.underWay[1] = 1
    expect(spread(one, 50)).toEqual([0, 50])
    one.underWay[0] = 0
    one.underWay[1] = 1
    expect(spread(one, 50, 100_000)).toEqual([50, 0])
  })

  it('of hashing sends a key to the same endpoint, and a request without a key to one with fewer under way', () => {
    const { balancer, underWay } = world('hash', [{}, {}, {}])
    const at = choose(balancer, '/a', NOBODY, 0)?.index
    for (let i = 0; i < 20; i += 1) expect(choose(balancer, '/a', NOBODY, 0)?.index).toBe(at)
    underWay[0] = underWay[1] = 5
    for (let i = 0; i < 20; i += 1) {
      const chosen = choose(balancer, undefined, NOBODY, 0)?.index
      if (chosen !== 2) expect([0, 1]).toContain(chosen)
    }
  })

  it.each(['random', 'least-requests', 'round-robin', 'hash', 'peak-ewma'] as const)(
    'of %s spreads requests over idle endpoints of any weights within its bounds',
    policy => {
      fc.assert(
        fc.property(
          fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 2, maxLength: 6 }),
          fc.integer({ min: 1, max: 1_000 }),
          (weights, seed) => {
            const one = world(
              policy,
              weights.map(weight => ({ weight })),
              {},
              seed,
            )
            const requests = 4_000
            const counts = spread(one, requests)
            const total = weights.reduce((sum, weight) => sum + weight, 0)
            weights.forEach((weight, index) => {
              const expected = (weight / total) * requests
              const slack =
                policy === 'round-robin'
                  ? 1
                  : policy === 'peak-ewma'
                    ? requests
                    : 5 * Math.sqrt(expected) + 0.03 * expected
              expect(Math.abs((counts[index] ?? 0) - expected)).toBeLessThanOrEqual(slack)
            })
          },
        ),
        { numRuns: 30 },
      )
    },
  )
})

describe('a balancer whose endpoints come and go', () => {
  it('keeps what it knows of those that stay, and starts new ones slowly', () => {
    const one = world('round-robin', [{}, {}], { slowStartMs: 10_000 })
    one.balancer.onConnectFailed(0, 'refused', 0)
    one.health.add(2)
    one.underWay.push(0)
    one.balancer.setEndpoints(
      [0, 1, 2].map(index => endpointOf(index)),
      0,
    )
    expect(spread(one, 110)).toEqual([0, 100, 10])
    expect(spread(one, 100, 5_000)).toEqual([0, 67, 33])
    one.balancer.onConnected(0, 10_000)
    expect(spread(one, 60, 20_000)).toEqual([20, 20, 20])
  })

  it('gives a new endpoint no turns in a row, however often others went', () => {
    const one = world('round-robin', [{ weight: 5 }, { weight: 1 }])
    for (let next = 2; next < 50; next += 1) {
      spread(one, next % 5)
      one.health.add(next)
      one.underWay[next] = 0
      one.balancer.setEndpoints([endpointOf(0, { weight: 5 }), endpointOf(next)], 0)
    }
    expect(spread(one, 12)[0]).toBe(10)
  })

  it('has another weight, tier or zone at once', () => {
    const one = world('round-robin', [{}, {}])
    one.balancer.setEndpoints([endpointOf(0, { weight: 3 }), endpointOf(1)], 0)
    expect(spread(one, 8)).toEqual([6, 2])
    one.balancer.setEndpoints([endpointOf(0, { tier: 1 }), endpointOf(1)], 0)
    expect(spread(one, 8)).toEqual([0, 8])
  })

  it('chooses none where there is none, and takes all of the first that come', () => {
    const one = world('least-requests', [], { slowStartMs: 10_000, subsetSize: 2 })
    expect([choose(one.balancer, undefined, NOBODY, 0), one.balancer.used(0)]).toEqual([undefined, []])
    for (const index of [0, 1]) one.health.add(index)
    one.underWay.push(0, 0)
    one.balancer.setEndpoints([endpointOf(0), endpointOf(1)], 5)
    expect(one.balancer.used(5)).toHaveLength(2)
    for (const count of spread(one, 100, 5)) expect(count).toBeGreaterThan(30)
  })

  it('forgets one that is gone, whatever is still said of it', () => {
    const one = world('least-requests', [{}, {}])
    one.balancer.setEndpoints([endpointOf(1)], 0)
    one.balancer.onConnectFailed(0, 'refused', 0)
    one.balancer.onConnected(0, 0)
    one.balancer.onAnswered(0, 5, 0)
    expect([one.balancer.used(0), one.balancer.takeProbe(1e9)]).toEqual([[1], undefined])
  })

  it('changes at most one of its subset for one endpoint that comes or goes', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 30 }),
        fc.integer({ min: 1, max: 8 }),
        fc.nat(),
        (count, subsetSize, seed) => {
          const all = Array.from({ length: count }, (_, index) => endpointOf(index))
          const one = world('random', all, { subsetSize }, seed)
          const whole = one.balancer.used(0)
          expect(whole).toHaveLength(Math.min(count, subsetSize))
          for (const { index: gone } of all) {
            one.balancer.setEndpoints(
              all.filter(({ index }) => index !== gone),
              0,
            )
            const rest = one.balancer.used(0)
            expect(rest.filter(index => !whole.includes(index)).length).toBeLessThanOrEqual(1)
            if (!whole.includes(gone)) expect(rest).toEqual(whole)
            one.balancer.setEndpoints(all, 0)
            expect(one.balancer.used(0)).toEqual(whole)
          }
        },
      ),
      { numRuns: 50 },
    )
  })

  it('moves few keys to an endpoint that comes, and none between the others but for a few', () => {
    const keys = Array.from({ length: 5_000 }, (_, i) => `/item/${i}`)
    const one = world('hash', [{}, {}])
    const homes = (): (number | undefined)[] => keys.map(key => choose(one.balancer, key, NOBODY, 0)?.index)
    let before = homes()
    for (let count = 3; count <= 8; count += 1) {
      one.health.add(count - 1)
      one.underWay.push(0)
      one.balancer.setEndpoints(
        Array.from({ length: count }, (_, index) => endpointOf(index)),
        0,
      )
      const after = homes()
      const moved = keys.filter((_, i) => after[i] !== before[i])
      const astray = keys.filter((_, i) => after[i] !== before[i] && after[i] !== count - 1)
      expect(moved.length / keys.length).toBeLessThan(1 / count + 0.08)
      expect(astray.length / keys.length).toBeLessThan(0.08)
      before = after
    }
  })
})
