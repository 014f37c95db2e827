import { describe, expect, it } from 'vitest'
import { type Traffic, WatchedPath, type WatchedPathOptions } from './watched-path.ts'

const TRAFFIC: readonly Traffic[] = ['exchanges', 'download', 'upload']
const SEEDS = [1, 2]
const MINUTES = 60_000

const paths = (minutes: number, but: Omit<WatchedPathOptions, 'seed'>): WatchedPath[] =>
  SEEDS.map(seed => new WatchedPath({ seed, ...but }).run(minutes * MINUTES))

/** Everything is lost from `at` on. */
const deadFrom = (at: number, lossBefore: number) => (random: () => number, now: number) =>
  now >= at || random() < lossBefore

describe('a path of 40 ms', () => {
  it.each(TRAFFIC)(
    'that loses 5 %% in each direction is never taken for dead in ten minutes of traffic: %s',
    traffic => {
      for (const path of paths(10, { traffic, isLost: random => random() < 0.05 })) {
        expect(path.counts.failed).toBe(0)
      }
    },
  )

  it('that loses 5 % in each direction is suspected now and then, or the test above would prove nothing', () => {
    for (const { counts } of paths(10, { traffic: 'exchanges', isLost: random => random() < 0.05 })) {
      expect(counts.exchanges).toBeGreaterThan(1000)
      expect(counts.suspected).toBeGreaterThan(10)
    }
  })

  it.each(TRAFFIC)('that loses 2 %% in each direction is never taken for dead: %s', traffic => {
    for (const path of paths(10, { traffic, isLost: random => random() < 0.02 })) {
      expect(path.counts.failed).toBe(0)
    }
  })

  // A probe timeout is about 95 ms here, and 145 ms for who only downloads and has measured nothing. What
  // lasts longer than two of them, less a round trip, cannot be known from death within three.
  it.each<[Traffic, number]>([
    ['exchanges', 80],
    ['download', 200],
    ['upload', 80],
  ])(
    'that loses everything again and again for a while is never taken for dead: %s, %i ms',
    (traffic, burstMs) => {
      for (const { counts } of paths(10, { traffic, isLost: (_random, now) => now % 2003 < burstMs })) {
        expect(counts.failed).toBe(0)
        expect(counts.asked).toBeGreaterThan(10)
      }
    },
  )

  it.each(TRAFFIC)(
    'whose queue grows to 800 ms and back is slow while it is, and never dead: %s',
    traffic => {
      // Up within 10 s, down within 10 s, from the second minute on.
      const queueMs = (now: number) => Math.max(0, 380 * (1 - Math.abs(now - 70_000) / 10_000))
      for (const { counts, verdicts } of paths(3, { traffic, delayMs: now => 20 + queueMs(now) })) {
        expect(counts.failed).toBe(0)
        // Who only downloads has no round trips of his own to measure.
        if (traffic === 'download') continue
        const slow = verdicts.filter(({ cause }) => cause === 'slow')
        expect(slow.length).toBeGreaterThan(0)
        for (const { at } of slow) {
          expect(at).toBeGreaterThan(60_000)
          expect(at).toBeLessThan(85_000)
        }
      }
    },
  )

  // From the last packet that came; the third has a server think, and nothing of its client's is under way:
  // that is asked once a second.
  it.each<[Traffic, number, number]>([
    ['download', 3, 0],
    ['upload', 3, 0],
    ['exchanges', 2, 1000],
  ])(
    'that turns silent is dead within a bound: %s, %i probe timeouts and %i ms',
    (traffic, timeouts, restMs) => {
      for (const seed of [1, 2, 3, 4, 5, 6, 7, 8]) {
        for (const loss of [0, 0.02]) {
          const at = 5000 + seed * 37
          const path = new WatchedPath({ seed, traffic, isLost: deadFrom(at, loss) }).run(at + 3000)
          const failed = path.verdicts.find(verdict => verdict.kind === 'failed')
          expect(failed?.at).toBeGreaterThan(at)
          expect((failed?.at ?? 0) - path.heardAt).toBeLessThanOrEqual(
            timeouts * (failed?.ptoMs ?? 0) + restMs + 1,
          )
          expect(path.verdicts.at(-1)?.kind).toBe('failed')
        }
      }
    },
  )

  it('that turns silent while a request is under way is dead within three probe timeouts of it', () => {
    const found: number[] = []
    for (let seed = 1; seed <= 40; seed++) {
      const path = new WatchedPath({ seed, traffic: 'exchanges', isLost: (_random, now) => now >= 5000 }).run(
        8000,
      )
      const failed = path.verdicts.find(verdict => verdict.kind === 'failed')
      found.push(((failed?.at ?? Number.POSITIVE_INFINITY) - path.heardAt) / (failed?.ptoMs ?? 1))
    }
    // The others were caught while their server thought.
    expect(found.filter(timeouts => timeouts <= 3.05).length).toBeGreaterThan(10)
  })
})
