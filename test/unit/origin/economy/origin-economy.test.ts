import { describe, expect, it } from 'vitest'
import type { TransportEvent } from '../../../../src/base/events/observer.ts'
import { parseOrigin } from '../../../../src/base/http/origin.ts'
import { DEFAULT_OBJECTIVE_OPTIONS } from '../../../../src/base/options/objective-options.ts'
import {
  type EconomyCounters,
  NO_COUNTERS,
  sumEconomy,
} from '../../../../src/origin/economy/economy-figures.ts'
import { OriginEconomy } from '../../../../src/origin/economy/origin-economy.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'

function setUp(objective = DEFAULT_OBJECTIVE_OPTIONS) {
  const clock = new FakeClock()
  const events: TransportEvent[] = []
  let counters: EconomyCounters = NO_COUNTERS
  let looks = 0
  const economy = new OriginEconomy({
    origin: parseOrigin('https://shop.test'),
    objective,
    isReuseOff: false,
    clock,
    observer: event => void events.push(event),
    counters: () => {
      looks += 1
      return counters
    },
  })
  /** So many requests and new connections in each second. */
  const pass = (seconds: number, requests: number, opened: number): void => {
    for (let second = 0; second < seconds; second += 1) {
      if (requests > 0) economy.onRequest(clock.now())
      counters = {
        ...counters,
        requests: counters.requests + requests,
        opened: counters.opened + opened,
        closed: { 'idle-timeout': (counters.closed['idle-timeout'] ?? 0) + opened },
        savedSeconds: counters.savedSeconds + (requests - opened) * 0.05,
        streamMs: counters.streamMs + requests * 100,
      }
      clock.advance(1000)
    }
  }
  /** How often it looked within that time. */
  const looksWithin = (ms: number): number => {
    const before = looks
    clock.advance(ms)
    return looks - before
  }
  return {
    clock,
    economy,
    pass,
    looksWithin,
    states: () => events.map(event => 'status' in event && event.status),
  }
}

describe('the economy of an origin', () => {
  it('is counted over a minute, an hour and since the start', () => {
    const { clock, economy, pass } = setUp()
    pass(3600, 10, 1)
    pass(60, 20, 0)
    const { lastMinute, lastHour, sinceStart } = economy.figures(clock.now())
    expect(lastMinute).toMatchObject({
      seconds: 60,
      requests: 1200,
      opened: 0,
      reuseRate: 1,
      connectionsPerRequest: 0,
      endsPerSecond: {},
      requestsPerSecond: 20,
      latencyMs: 100,
      concurrency: 2,
    })
    expect(lastMinute.savedSecondsPerDay).toBeCloseTo(86_400)
    expect(lastHour).toMatchObject({ seconds: 3600, requests: 36_600, opened: 3540 })
    expect(sinceStart).toMatchObject({ seconds: 3660, requests: 37_200, opened: 3600 })
    expect(sinceStart.endsPerSecond['idle-timeout']).toBeCloseTo(3600 / 3660)
  })

  it('covers less than a minute at first, and is empty before the first request', () => {
    const { clock, economy, pass } = setUp()
    expect(economy.figures(clock.now()).lastMinute).toMatchObject({ seconds: 0, reuseRate: undefined })
    pass(20, 10, 1)
    expect(economy.figures(clock.now()).lastMinute).toMatchObject({ seconds: 20, requests: 200 })
  })

  it('adds up over origins', () => {
    const [a, b] = [setUp(), setUp()]
    a.pass(60, 10, 1)
    b.pass(60, 30, 0)
    const sum = sumEconomy([a, b].map(({ economy, clock }) => economy.figures(clock.now())))
    expect(sum.lastMinute).toMatchObject({ seconds: 60, requests: 2400, opened: 60, reuseRate: 0.975 })
    expect(sum.lastMinute).toMatchObject({ requestsPerSecond: 40, latencyMs: 100, concurrency: 4 })
    expect(sumEconomy([]).lastMinute).toMatchObject({ seconds: 0, requests: 0, reuseRate: undefined })
  })

  it('reports once that the objective is missed, and once that it is met again', () => {
    const { pass, states, economy } = setUp()
    pass(55, 100, 50)
    expect(states()).toEqual([])
    pass(65, 100, 50)
    expect(states()).toEqual([expect.objectContaining({ state: 'missed', cause: 'pool-too-large' })])
    expect(economy.objective.state).toBe('missed')
    pass(120, 100, 0)
    expect(states()).toHaveLength(2)
    expect(states()[1]).toMatchObject({ state: 'met' })
  })

  it('keeps its verdict while no request comes', () => {
    const { pass, states, economy } = setUp()
    pass(70, 100, 50)
    pass(300, 0, 0)
    expect(states()).toHaveLength(1)
    expect(economy.objective.state).toBe('missed')
  })

  it('judges over an hour where the window says so', () => {
    const { pass, states } = setUp({ reuse: 0.92, windowMs: 3_600_000 })
    pass(3500, 10, 5)
    expect(states()).toEqual([])
    pass(200, 10, 5)
    expect(states()).toHaveLength(1)
  })

  it('stops reading when all windows are empty', () => {
    const { clock, pass, looksWithin } = setUp()
    pass(60, 10, 1)
    expect(looksWithin(60_000)).toBe(12)
    clock.advance(2 * 3_600_000)
    expect(looksWithin(60_000)).toBe(0)
    pass(1, 1, 1)
    expect(looksWithin(60_000)).toBe(12)
  })

  it('stops when it is closed', () => {
    const { economy, pass, looksWithin } = setUp()
    pass(1, 1, 1)
    economy.close()
    expect(looksWithin(60_000)).toBe(0)
  })
})
