import { describe, expect, it } from 'vitest'
import type { LaneName } from '../../src/base/http/protocol.ts'
import { around, heavyTailed, LaneWorld, ONE, type SimulatedLane, type WorldOptions } from './lane-world.ts'

const h2 = { protocol: 'h2', connections: ONE } as const
const h3 = { protocol: 'h3', connections: ONE } as const
const spread = { protocol: 'h2', connections: (concurrency: number) => Math.min(6, concurrency) } as const
const http1 = { protocol: 'http/1.1', connections: (concurrency: number) => concurrency } as const
const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8]
const latency = { policy: 'latency' } as const

type Exchange = SimulatedLane['exchange']

/** Large bodies over a connection that losses hold back: what shares it waits for it. */
const sharing =
  (ttfbMs: number, aloneMs: number): Exchange =>
  (random, load) => ({
    ttfbMs: ttfbMs * (0.9 + 0.2 * random()),
    bodyMs: aloneMs * load * (0.8 + 0.4 * random()),
  })

let begun = 0
const slowness = (): number => 1 + 20 * Math.exp(-begun++ / 6)

/** As it is before, and after, a time. */
const until =
  (at: number, before: Exchange, after: Exchange): Exchange =>
  (random, load, now) =>
    (now < at ? before : after)(random, load, now)

function worlds(requests: number, but: Omit<WorldOptions, 'seed'>): LaneWorld[] {
  return SEEDS.map(seed => new LaneWorld({ seed, ...but }).run(requests))
}

const meanOf = (all: readonly LaneWorld[], measure: (world: LaneWorld) => number): number =>
  all.reduce((sum, world) => sum + measure(world), 0) / all.length

const lastLanes = (all: readonly LaneWorld[]): LaneName[] => all.map(({ chooser }) => chooser.decision.lane)

describe('the learning of a lane chooser', () => {
  it('takes at most 50 requests, however close two lanes are', () => {
    const exchange = around(40, 0.3)
    for (const world of worlds(200, { lanes: { tcp: { ...h2, exchange }, h3: { ...h3, exchange } } })) {
      expect(world.learnedAfter).toBeLessThanOrEqual(50)
      const learning = world.carried.slice(0, world.learnedAfter)
      expect(learning.filter(({ isTrial }) => isTrial).length).toBeLessThanOrEqual(40)
    }
  })

  it('spends at most 40 requests on other lanes with four of them, three or four at a time', () => {
    const exchange = heavyTailed(40, 0.1, 200)
    const lanes = {
      tcp: { ...h2, exchange },
      h3: { ...h3, exchange },
      'h2-spread': { ...spread, exchange },
      'http/1.1': { ...http1, exchange },
    }
    for (const world of worlds(400, {
      concurrency: 4,
      lanes,
      lossRatio: 0,
      segmentLossRatio: 0.02,
      options: { exploreShare: 1e-9 },
    })) {
      // With next to nothing for exploring, only learning's budget and the reserve of one block are there.
      expect(world.trialRequests).toBeLessThanOrEqual(50)
      expect(world.trialRequests).toBeGreaterThanOrEqual(10)
      expect(new Set(world.prepared.map(({ lane }) => lane)).size).toBeGreaterThan(1)
    }
  })

  it('costs a few requests where the difference is plain', () => {
    const lanes = {
      tcp: { ...h2, exchange: around(470, 0.2) },
      h3: { ...h3, exchange: around(47, 0.2) },
    }
    for (const world of worlds(100, { lanes, options: latency })) {
      expect(world.learnedAfter).toBeLessThanOrEqual(25)
      expect(world.chooser.decision.lane).toBe('h3')
    }
  })

  it('does not follow the times of the first requests of a process', () => {
    // On loopback: the first request takes twenty times as long as the thirtieth, whatever carries it.
    const warmingUp = (meanMs: number): Exchange => {
      const exchange = around(meanMs, 0.1)
      return (random, load, now) => ({ ttfbMs: exchange(random, load, now).ttfbMs * slowness() })
    }
    for (const firstPreference of [['tcp', 'h3'] as const, ['h3', 'tcp'] as const])
      for (const policy of ['latency', 'auto'] as const)
        for (const seed of SEEDS) {
          begun = 0
          const lanes = { tcp: { ...h2, exchange: warmingUp(0.5) }, h3: { ...h3, exchange: warmingUp(0.8) } }
          const world = new LaneWorld({
            seed,
            lanes,
            firstPreference,
            prepareMs: 1,
            options: { policy },
          }).run(100)
          expect(world.chooser.decision.lane).toBe('tcp')
        }
  })

  it('tries no second connection while nothing shows that one stalls', () => {
    const exchange = around(40, 0.1)
    const lanes = { tcp: { ...h2, exchange }, 'h2-spread': { ...spread, exchange } }
    for (const world of worlds(3_000, { concurrency: 4, lanes })) expect(world.prepared).toEqual([])
  })
})

describe('the mean time of requests, including all trials, compared with the best lane', () => {
  const cases: [name: string, tcp: Exchange, h3: Exchange, bestMs: number][] = [
    ['h3 is faster by a fifth', around(50, 0.2), around(40, 0.2), 40],
    ['h2 has a heavy tail', heavyTailed(42, 0.1, 300), heavyTailed(43, 0.1, 60), 49],
    ['h3 is slower by half', around(40, 0.2), around(60, 0.2), 40],
    ['h3 takes ten times as long', around(47, 0.2), around(470, 0.2), 47],
    ['h3 takes a tenth', around(470, 0.2), around(47, 0.2), 47],
    ['both are the same', around(40, 0.5), around(40, 0.5), 40],
  ]
  it.each(cases)('is within a twentieth after learning: %s', (_, tcp, h3Exchange, bestMs) => {
    const lanes = { tcp: { ...h2, exchange: tcp }, h3: { ...h3, exchange: h3Exchange } }
    const all = worlds(2_000, { lanes, options: latency })
    expect(meanOf(all, world => world.meanMs(50))).toBeLessThan(bestMs * 1.05)
  })

  it('stays low for small requests with losses too rare to be seen while learning, since auto keeps the lane that tolerates them', () => {
    // 1 % lost in either direction: TCP waits for a time-out, QUIC for a probe.
    const lanes = {
      tcp: { ...h2, exchange: heavyTailed(41, 0.04, 250) },
      h3: { ...h3, exchange: heavyTailed(41, 0.02, 80) },
    }
    const all = worlds(300, { concurrency: 5, lanes })
    expect(meanOf(all, world => world.meanMs(50))).toBeLessThan(42.6 * 1.05)
    // Until enough was counted: then CPU counts again.
    const clean = { tcp: { ...h2, exchange: around(41, 0.05) }, h3: { ...h3, exchange: around(41, 0.05) } }
    expect(new Set(lastLanes(worlds(300, { concurrency: 5, lanes: clean })))).toEqual(new Set(['h3']))
    expect(new Set(lastLanes(worlds(300, { concurrency: 5, lanes: clean, lossRatio: 0 })))).toEqual(
      new Set(['tcp']),
    )
  })

  it('is that of the lane whose connection carries more, for many large bodies at once', () => {
    const lanes = {
      tcp: { ...h2, exchange: sharing(42, 250) },
      h3: { ...h3, exchange: sharing(42, 30) },
    }
    for (const isBurst of [false, true]) {
      const all = worlds(1_500, { concurrency: 20, isBurst, responseBytes: 100_000, lanes, options: latency })
      expect(new Set(lastLanes(all))).toEqual(new Set(['h3']))
    }
  })

  it('is that of several connections, for many large bodies at once where none carries much', () => {
    const lanes = {
      tcp: { ...h2, exchange: sharing(42, 250) },
      h3: { ...h3, exchange: sharing(42, 250) },
      'h2-spread': { ...spread, exchange: sharing(42, 250) },
    }
    const all = SEEDS.map(seed => {
      const world = new LaneWorld({
        seed,
        concurrency: 20,
        responseBytes: 100_000,
        lanes,
        options: { policy: 'auto' },
      })
      world.chooser.onPath('tcp', { rttMs: 40, lossRatio: 0.02 }, world.now)
      return world.run(1_500)
    })
    expect(new Set(lastLanes(all))).toEqual(new Set(['h2-spread']))
    for (const { prepared } of all)
      expect(prepared.find(({ lane }) => lane === 'h2-spread')?.connections).toBe(6)
  })
})

describe('a busy machine', () => {
  // Client and origin on one CPU: first bytes vary by more than losses far away make them.
  const busy = heavyTailed(2, 0.2, 60)
  const lanes = { tcp: { ...h2, exchange: busy }, 'h2-spread': { ...spread, exchange: around(1, 0.1) } }

  it('is no reason for several connections to an origin whose path is clean', () => {
    for (const world of worlds(2_000, { concurrency: 100, lanes, segmentLossRatio: 0 }))
      expect([world.prepared, world.chooser.decision.lane]).toEqual([[], 'tcp'])
  })

  it('is no reason where nobody counts what is lost, either', () => {
    for (const world of worlds(2_000, { concurrency: 100, lanes })) expect(world.prepared).toEqual([])
  })

  it('does not hide that segments are lost', () => {
    for (const world of worlds(2_000, { concurrency: 100, lanes, segmentLossRatio: 0.02 }))
      expect(world.prepared[0]).toMatchObject({ lane: 'h2-spread' })
  })
})

describe('a network that discards UDP', () => {
  // One request in eight is answered by its second copy over TCP, 250 ms late.
  const lanes = {
    tcp: { ...h2, exchange: around(44, 0.1) },
    h3: { ...h3, exchange: heavyTailed(40, 0.12, 290) },
  }
  const options = { policy: 'auto' } as const

  it('leaves requests on TCP where the kernel sees that TCP loses nothing', () => {
    const all = worlds(1_500, { lanes, options, lossRatio: 0.2, segmentLossRatio: 0 })
    expect(new Set(lastLanes(all))).toEqual(new Set(['tcp']))
  })

  it('leaves requests on HTTP/3 where TCP would lose as much', () => {
    const lossy = { ...lanes, tcp: { ...h2, exchange: heavyTailed(44, 0.2, 290) } }
    const all = worlds(1_500, { lanes: lossy, options, lossRatio: 0.2, segmentLossRatio: 0.2 })
    expect(new Set(lastLanes(all))).toEqual(new Set(['h3']))
  })
})

describe('lanes that are equally fast', () => {
  it.each([
    ['small spread', around(40, 0.1)],
    ['large spread', around(40, 0.5)],
    ['heavy tail', heavyTailed(40, 0.1, 300)],
  ])('are not changed back and forth: %s', (_, exchange) => {
    for (const policy of ['latency', 'auto', 'efficiency'] as const) {
      const lanes = { tcp: { ...h2, exchange }, h3: { ...h3, exchange } }
      const all = worlds(10_000, { lanes, options: { policy } })
      expect(meanOf(all, world => world.switches)).toBeLessThanOrEqual(2)
      expect(Math.max(...all.map(world => world.switches))).toBeLessThanOrEqual(6)
    }
  })

  it('are not changed back and forth under a load that shares connections', () => {
    const lanes = { tcp: { ...h2, exchange: sharing(42, 20) }, h3: { ...h3, exchange: sharing(42, 20) } }
    for (const isBurst of [false, true]) {
      const all = worlds(5_000, { concurrency: 20, isBurst, responseBytes: 100_000, lanes, options: latency })
      expect(Math.max(...all.map(world => world.switches))).toBeLessThanOrEqual(4)
    }
  })

  it('leave the cheaper one to carry, unless only time counts', () => {
    const exchange = around(40, 0.1)
    const lanes = { tcp: { ...h2, exchange }, h3: { ...h3, exchange } }
    for (const policy of ['auto', 'efficiency'] as const)
      for (const firstPreference of [['h3', 'tcp'] as const, ['tcp', 'h3'] as const])
        expect(
          new Set(lastLanes(worlds(2_000, { lanes, firstPreference, lossRatio: 0, options: { policy } }))),
        ).toEqual(new Set(['tcp']))
  })
})

describe('the exploring of a lane chooser', () => {
  it('stays within its share of requests', () => {
    const exchange = around(40, 0.3)
    for (const exploreShare of [0.02, 0.1]) {
      const lanes = { tcp: { ...h2, exchange }, h3: { ...h3, exchange } }
      for (const world of worlds(10_000, { lanes, options: { exploreShare } })) {
        expect(world.trialRequests).toBeLessThanOrEqual(10_000 * exploreShare + 50)
        expect(world.trialRequests).toBeGreaterThan(10_000 * exploreShare * 0.7)
      }
    }
  })

  it('sends no request elsewhere with a share of 0', () => {
    const lanes = { tcp: { ...h2, exchange: around(400, 0.1) }, h3: { ...h3, exchange: around(40, 0.1) } }
    for (const world of worlds(1_000, { lanes, options: { exploreShare: 0 } })) {
      expect([world.trialRequests, world.prepared.length, world.switches]).toEqual([0, 0, 0])
      expect(world.chooser.describe(world.now).wouldChange).toEqual([
        'a measurement: no request went over h3 yet (select.exploreShare is 0: nothing is tried)',
      ])
    }
  })

  it('finds that another lane became faster', () => {
    const lanes = {
      tcp: { ...h2, exchange: around(60, 0.2) },
      h3: { ...h3, exchange: until(40_000, around(100, 0.2), around(40, 0.2)) },
    }
    // Requests before: 670. A lane that takes 1.7 times as long is looked at every 840 requests, and must
    // show it twice.
    const all = worlds(3_500, { lanes, options: latency })
    expect(new Set(lastLanes(all))).toEqual(new Set(['h3']))
    expect(meanOf(all, world => world.meanMs(2_500))).toBeLessThan(40 * 1.05)
  })
})

describe('a change of a lane', () => {
  it('of the lane that carries is followed within seconds', () => {
    const at = 60_000
    const lanes = {
      tcp: { ...h2, exchange: until(at, around(42, 0.2), around(130, 0.2)) },
      h3: { ...h3, exchange: around(45, 0.2) },
    }
    const all = worlds(2_500, { lanes, options: latency })
    const change = ({ decisions }: LaneWorld) =>
      decisions.find(({ lane, at: time }) => lane === 'h3' && time > at)
    for (const world of all) {
      expect(change(world)?.rule).toBe('faster')
      expect(change(world)!.at - at).toBeGreaterThanOrEqual(5_000)
      // Where the trial in reserve was spent just before, the next one has to be saved for.
      expect(change(world)!.at - at).toBeLessThan(30_000)
    }
    expect(meanOf(all, world => change(world)!.at - at)).toBeLessThan(10_000)
  })

  it('of the origin that slows down all lanes for a while changes no lane', () => {
    const slow =
      (ms: number): Exchange =>
      (random, load, now) =>
        around(now > 60_000 && now < 90_000 ? ms * 3 : ms, 0.2)(random, load, now)
    const lanes = { tcp: { ...h2, exchange: slow(42) }, h3: { ...h3, exchange: slow(45) } }
    const all = worlds(2_500, { lanes, options: latency })
    expect(meanOf(all, world => world.switches)).toBeLessThan(1)
  })

  it('to errors is followed after a few of them, and the lane is tried again later', () => {
    const lanes = {
      tcp: { ...h2, exchange: around(60, 0.2) },
      h3: {
        ...h3,
        exchange: (random: () => number, load: number, now: number) => ({
          ...around(40, 0.2)(random, load, now),
          failed: now > 30_000 && now < 80_000,
        }),
      },
    }
    for (const world of worlds(6_000, { lanes, options: latency })) {
      const left = world.decisions.find(({ rule }) => rule === 'failing')
      expect(left?.lane).toBe('tcp')
      expect(left!.at - 30_000).toBeLessThan(1_000)
      expect(world.chooser.decision.lane).toBe('h3')
    }
  })
})
