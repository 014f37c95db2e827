import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../../src/base/seeded-random.ts'
import { type ArrivalLimits, type Arrivals, arrivalsOf } from '../../../../src/bench/load/arrivals.ts'
import type { Arrival } from '../../../../src/bench/load/load-job.ts'

const ALL: ArrivalLimits = { requests: Number.POSITIVE_INFINITY, seconds: Number.POSITIVE_INFINITY }
const START = 1_000

const arrivals = (arrival: Arrival, limits: Partial<ArrivalLimits> = {}, seed = 1): Arrivals =>
  arrivalsOf(arrival, { ...ALL, ...limits }, START, seededRandom(seed))

/** Everything that begins at that moment. */
function begun(some: Arrivals, now: number): number[] {
  const dues: number[] = []
  for (let due = some.next(now); due !== undefined; due = some.next(now)) dues.push(due)
  return dues
}

describe('a closed loop', () => {
  it('keeps as many going as were asked for, each due when there is room', () => {
    const some = arrivals({ kind: 'closed', concurrency: 2 })
    expect(begun(some, START)).toEqual([START, START])
    expect(some.nextAt()).toBeUndefined()
    some.onEnd(START + 7)
    expect(begun(some, START + 7)).toEqual([START + 7])
    expect(some.late).toEqual({ mostWaiting: 0, longestMs: 0 })
  })

  it('ends after so many requests', () => {
    const some = arrivals({ kind: 'closed', concurrency: 2 }, { requests: 3 })
    begun(some, START)
    some.onEnd(START)
    some.onEnd(START)
    expect(begun(some, START)).toHaveLength(1)
    some.onEnd(START)
    expect(begun(some, START)).toEqual([])
  })

  it('ends after so much time', () => {
    const some = arrivals({ kind: 'closed', concurrency: 1 }, { seconds: 1 })
    expect(begun(some, START + 999)).toHaveLength(1)
    some.onEnd(START + 1_000)
    expect(begun(some, START + 1_000)).toEqual([])
  })

  it('begins nothing with no requests or no time', () => {
    expect(begun(arrivals({ kind: 'closed', concurrency: 1 }, { requests: 0 }), START)).toEqual([])
    expect(begun(arrivals({ kind: 'closed', concurrency: 1 }, { seconds: 0 }), START)).toEqual([])
  })
})

describe('an open loop', () => {
  const even: Arrival = { kind: 'open', perSecond: 100, spacing: 'even', maxInFlight: 3 }

  it('begins requests by the rate alone, whatever ends', () => {
    const some = arrivals(even)
    expect(begun(some, START)).toEqual([START])
    expect(some.nextAt()).toBe(START + 10)
    expect(begun(some, START + 5)).toEqual([])
    expect(begun(some, START + 20)).toEqual([START + 10, START + 20])
  })

  it('makes requests wait that do not fit, and reports how many and how long', () => {
    const some = arrivals(even)
    expect(begun(some, START + 45)).toEqual([START, START + 10, START + 20])
    expect(some.waiting).toBe(2)
    expect(some.nextAt()).toBeUndefined()
    some.onEnd(START + 60)
    expect(begun(some, START + 60)).toEqual([START + 30])
    expect(some.waiting).toBe(3)
    expect(some.late).toEqual({ mostWaiting: 3, longestMs: 45 })
  })

  it('begins all that were due before its end, however late, and none that would be due at it', () => {
    const some = arrivals(even, { seconds: 0.03 })
    expect(begun(some, START + 500)).toEqual([START, START + 10, START + 20])
    expect(some.nextAt()).toBeUndefined()
  })

  it('catches up no faster than it may, and drops no request that was due', () => {
    const paced = { ...even, perSecond: 20, maxInFlight: 8, catchUpPerSecond: 40 }
    const some = arrivals(paced, { requests: 200 })
    const begunAt: number[] = []
    const dues: number[] = []
    let underWay = 0
    // All that may be under way hangs for three seconds; before and behind that an answer takes no time.
    for (let now = START; ; ) {
      const fresh = begun(some, now)
      dues.push(...fresh)
      begunAt.push(...fresh.map(() => now))
      underWay += fresh.length
      const hangs = now < START + 3_000
      if (hangs && underWay === 8) now = START + 3_000
      if (!hangs || underWay === 8) for (; underWay > 0; underWay--) some.onEnd(now)
      const next = some.nextAt()
      if (next === undefined) break
      now = Math.max(now, next)
    }
    expect(dues).toEqual(Array.from({ length: 200 }, (_, i) => START + 50 * i))
    const within = (ms: number): number =>
      Math.max(...begunAt.map(from => begunAt.filter(at => at >= from && at < from + ms).length))
    expect(within(25)).toBe(5)
    expect(within(1_000)).toBe(40 + 4)
    // It has caught up before its end.
    expect(begunAt.at(-1)).toBe(START + 9_950)
    expect(some.late.longestMs).toBeGreaterThan(2_000)
  })

  it('ends after so many requests', () => {
    const some = arrivals({ ...even, maxInFlight: 10 }, { requests: 4 })
    expect(begun(some, START + 1_000)).toHaveLength(4)
  })

  it('forgets the waiting requests when it is stopped', () => {
    const some = arrivals(even)
    begun(some, START + 100)
    some.stop()
    some.onEnd(START + 100)
    expect(some.waiting).toBe(0)
    expect(begun(some, START + 100)).toEqual([])
  })

  it('keeps the order when more wait than it moves about in one piece', () => {
    const some = arrivals({ ...even, perSecond: 1_000, maxInFlight: 1 }, { requests: 5_000 })
    const dues: number[] = []
    for (let i = 0; i < 5_000; i++) {
      dues.push(...begun(some, START + 10_000))
      some.onEnd(START + 10_000)
    }
    expect(dues).toHaveLength(5_000)
    expect(dues).toEqual(dues.toSorted((a, b) => a - b))
  })

  it('begins requests at random times that the seed decides, at that rate on average', () => {
    const poisson: Arrival = { kind: 'open', perSecond: 1_000, spacing: 'poisson', maxInFlight: 1e9 }
    const dues = begun(arrivals(poisson), START + 20_000)
    expect(dues.length).toBeGreaterThan(19_400) // 20,000, four standard deviations of 141 below and above
    expect(dues.length).toBeLessThan(20_600)
    expect(begun(arrivals(poisson), START + 20_000)).toEqual(dues)
    expect(begun(arrivals(poisson, {}, 2), START + 20_000)).not.toEqual(dues)
    const gaps = dues.slice(1).map((due, i) => due - (dues[i] ?? 0))
    // Of an exponential distribution the share above the mean is 1/e.
    expect(gaps.filter(gap => gap > 1).length / gaps.length).toBeCloseTo(1 / Math.E, 1)
  })
})

describe('bursts', () => {
  const bursts: Arrival = { kind: 'bursts', requests: 3, pauseMs: 50 }

  it('come at once, and again after the pause behind the last end', () => {
    const some = arrivals(bursts)
    expect(begun(some, START)).toHaveLength(3)
    some.onEnd(START + 1)
    some.onEnd(START + 2)
    expect(some.nextAt()).toBeUndefined()
    some.onEnd(START + 9)
    expect(some.nextAt()).toBe(START + 59)
    expect(begun(some, START + 58)).toEqual([])
    expect(begun(some, START + 59)).toHaveLength(3)
  })

  it('do not begin after the end of the time', () => {
    const some = arrivals(bursts, { seconds: 0.05 })
    begun(some, START)
    for (let i = 0; i < 3; i++) some.onEnd(START + 10)
    expect(some.nextAt()).toBeUndefined()
    expect(begun(some, START + 60)).toEqual([])
  })

  it('are cut by the number of requests', () => {
    const some = arrivals(bursts, { requests: 4 })
    begun(some, START)
    for (let i = 0; i < 3; i++) some.onEnd(START)
    expect(begun(some, START + 50)).toHaveLength(1)
    some.onEnd(START + 50)
    expect(some.nextAt()).toBeUndefined()
  })
})
