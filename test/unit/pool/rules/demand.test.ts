import { describe, expect, it } from 'vitest'
import { connectionsFor, Demand } from '../../../../src/pool/rules/demand.ts'
import { PoolScript } from '../../../support/pool-script.ts'
import { fc } from '../../../support/property.ts'

const TERMS = { streamsPerConnection: 1, keptMs: 60_000, maxConnections: 64 }

/** `streams` exchanges under way for `ms`, `perTick` arrivals each half second. */
function run(demand: Demand, from: number, ms: number, streams: number, perTick: number): number {
  let now = from
  while (now < from + ms) {
    for (let arrival = 0; arrival < perTick; arrival += 1) demand.onArrival(streams, now)
    now += 500
    demand.tick(streams, now)
  }
  return now
}

describe('the level of connections by demand', () => {
  it('follows Little’s law, with headroom, within seconds', () => {
    const demand = new Demand({ headroom: 1.5 })
    run(demand, 0, 5000, 10, 50)
    expect(demand.streams).toBeCloseTo(10, 0)
    run(demand, 5000, 300_000, 10, 50)
    expect(demand.rps).toBeCloseTo(100, 0)
    expect(demand.level(TERMS)).toBe(15)
    expect(demand.level({ ...TERMS, maxConnections: 8 })).toBe(8)
  })

  it('is streams over the streams of a connection, and one more, where one carries many', () => {
    const demand = new Demand({ headroom: 1.5 })
    run(demand, 0, 5000, 100, 50)
    expect(demand.level({ ...TERMS, streamsPerConnection: 100 })).toBe(3)
    expect(connectionsFor(150, 100)).toBe(3)
    expect(connectionsFor(150, 1)).toBe(150)
    expect(demand.level({ ...TERMS, streamsPerConnection: undefined })).toBe(0)
  })

  it('runs ahead of a demand that rises', () => {
    const demand = new Demand({ headroom: 1 })
    let now = run(demand, 0, 5000, 4, 50)
    for (const streams of [6, 8, 10]) now = run(demand, now, 500, streams, 50)
    // 10 at the last tick; 12 are to be expected at the next one. Smoothed, that is as many as there are.
    expect(demand.streams).toBeGreaterThan(9)
  })

  it('sinks slowly, and to zero in the end', () => {
    const demand = new Demand({ headroom: 1 })
    let now = run(demand, 0, 10_000, 10, 50)
    now = run(demand, now, 10_000, 0, 0)
    expect(demand.streams).toBeGreaterThan(5)
    run(demand, now, 300_000, 0, 0)
    expect(demand.streams).toBe(0)
    expect(demand.tickAt).toBe(Infinity)
  })

  it('treats a late tick as all those that it stands for', () => {
    const [inTime, late] = [new Demand({ headroom: 1 }), new Demand({ headroom: 1 })]
    for (const demand of [inTime, late]) run(demand, 0, 10_000, 10, 50)
    run(inTime, 10_000, 5000, 0, 0)
    late.tick(0, 15_000)
    expect(late.streams).toBeCloseTo(inTime.streams, 5)
  })

  it('is zero for an origin that is asked less than twice while it keeps a connection', () => {
    const demand = new Demand({ headroom: 1.5 })
    for (let now = 0; now < 60_000; now += 4000) {
      demand.onArrival(0, now)
      run(demand, now, 4000, 1, 0)
    }
    expect(demand.level({ ...TERMS, keptMs: 4000 })).toBe(0)
    expect(demand.level({ ...TERMS, keptMs: 60_000 })).toBe(2)
  })

  it('is zero with headroom 0', () => {
    const demand = new Demand({ headroom: 0 })
    demand.onArrival(5, 10)
    expect(demand.tickAt).toBe(Infinity)
    expect(demand.level(TERMS)).toBe(0)
    demand.restore(10, 100, 0)
    expect(demand.level(TERMS)).toBe(0)
  })

  it('begins where an earlier process left it, and sinks from there', () => {
    const demand = new Demand({ headroom: 1.5 })
    demand.restore(Number.NaN, 10, 0)
    expect(demand.tickAt).toBe(Infinity)
    demand.restore(10, 100, 0)
    expect(demand.level(TERMS)).toBe(15)
    run(demand, 0, 300_000, 0, 0)
    expect(demand.level(TERMS)).toBe(0)
  })

  it('stays between zero and the ceiling whatever comes', () => {
    const step = fc.record({
      passes: fc.constantFrom(0, 1, 499, 500, 5000, 3_600_000),
      streams: fc.nat(1000),
      does: fc.constantFrom('arrives', 'changes', 'ticks'),
    })
    const terms = fc.record({
      streamsPerConnection: fc.constantFrom(undefined, 1, 3, 100),
      keptMs: fc.constantFrom(1, 4000, Infinity),
      maxConnections: fc.integer({ min: 1, max: 64 }),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), terms, (steps, given) => {
        const demand = new Demand({ headroom: 1.5 })
        let now = 0
        for (const { passes, streams, does } of steps) {
          now += passes
          if (does === 'arrives') demand.onArrival(streams, now)
          else if (does === 'changes') demand.onChange(streams, now)
          else demand.tick(streams, now)
          const level = demand.level(given)
          expect(Number.isInteger(level) && level >= 0 && level <= given.maxConnections).toBe(true)
          expect(demand.streams).toBeGreaterThanOrEqual(0)
          expect(demand.streams).toBeLessThan(Infinity)
          expect(demand.rps).toBeGreaterThanOrEqual(0)
        }
      }),
    )
  })
})

describe('a pool that is sized by demand', () => {
  const sized = (options = {}) => new PoolScript({ headroom: 1.5, verifyAfterIdleMs: 0, ...options })

  /** Two requests at a time, each for 250 ms, over #1 and #2. */
  function steady(pool: PoolScript, ms: number): string[] {
    const lines: string[] = []
    for (let passed = 0; passed < ms; passed += 250) {
      const leases = pool.acquire('a', 'b')
      const ids = leases.map(line => /^lease #(\d+)/.exec(line)?.[1]).filter(id => id !== undefined)
      lines.push(...leases.filter(line => !line.startsWith('lease')), ...pool.advance(250))
      for (const id of ids) lines.push(...pool.streamClosed(Number(id)))
    }
    return lines
  }

  function open(pool: PoolScript, count: number): void {
    pool.acquire(...Array.from({ length: count }, (_, index) => `w${index}`))
    for (let id = 1; id <= count; id += 1) pool.connected(id)
    for (let id = 1; id <= count; id += 1) pool.streamClosed(id)
  }

  it('opens the headroom before a request waits for it', () => {
    const pool = sized()
    open(pool, 2)
    expect(steady(pool, 5000)).toEqual(['connect #3'])
    pool.connected(3)
    expect(pool.acquire('a', 'b', 'c')).toEqual([
      expect.stringMatching(/^lease/),
      expect.stringMatching(/^lease/),
      expect.stringMatching(/^lease/),
    ])
  })

  it('never opens more than maxConnections', () => {
    const pool = sized({ maxConnections: 2 })
    open(pool, 2)
    expect(steady(pool, 10_000)).toEqual([])
  })

  it('keeps what the demand needs beyond the idle timeout, and closes it afterwards', () => {
    const pool = sized({ idleTimeoutMs: 3000, warmCheckMs: 0 })
    open(pool, 2)
    steady(pool, 3000)
    pool.connected(3)
    expect(pool.advance(4000)).toEqual([]) // the level has sunk a little only
    const later = pool.advance(300_000)
    expect(later.filter(line => line.startsWith('close'))).toHaveLength(3)
    expect(later.filter(line => line.startsWith('connect'))).toEqual([])
    expect(pool.timerAt).toBe(Infinity)
  })

  it('keeps the level alive with current requests, in place of new connections', () => {
    const pool = sized()
    // The origin keeps idle connections for 8 s.
    for (const id of [1, 2]) {
      pool.acquire('x')
      pool.connected(id)
      pool.streamClosed(id)
      pool.advance(8000)
      pool.closed(id, 'peer-closed')
    }
    pool.advance(300_000)
    pool.acquire('a', 'b')
    for (const id of [3, 4]) pool.connected(id)
    for (const id of [3, 4]) pool.streamClosed(id)
    steady(pool, 3000)
    pool.connected(5)
    // Three are the level, two are needed at a time: the third would age out every 7 s.
    expect(steady(pool, 60_000)).toEqual([])
  })

  it('begins with the level of an earlier process, as far as it knows the capacity of a connection', () => {
    const pool = sized({ expectedCapacity: 1 })
    expect(pool.restoreDemand(4, 100)).toEqual(Array.from({ length: 6 }, (_, at) => `connect #${at + 1}`))
    expect(sized({ expectedCapacity: 1, headroom: 0 }).restoreDemand(4, 100)).toEqual([])
  })
})
