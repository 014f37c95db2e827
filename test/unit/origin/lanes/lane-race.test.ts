import { beforeEach, describe, expect, it } from 'vitest'
import { TransportError } from '../../../../src/base/errors.ts'
import type { AttemptRecord, Connection } from '../../../../src/base/events/connection.ts'
import type { LaneName } from '../../../../src/base/http/protocol.ts'
import type { OriginConnector } from '../../../../src/origin/connecting/origin-connector.ts'
import { Lane } from '../../../../src/origin/lanes/lane.ts'
import { LaneRace, type Racer } from '../../../../src/origin/lanes/lane-race.ts'
import type { Pool } from '../../../../src/pool/pool.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { FakePool } from './fake-lanes.ts'

const attempt = (over: Partial<AttemptRecord>): AttemptRecord => ({
  protocol: 'h2',
  endpoint: '192.0.2.1:443',
  startedAtMs: 0,
  outcome: 'connected',
  because: 'first of 1',
  ...over,
})
const connection = (attempts: readonly AttemptRecord[] = []): Connection =>
  ({ handshake: { attempts } }) as unknown as Connection // what a race looks at
const refused = new TransportError('MM_CONNECT_REFUSED', 'refused')
const silent = new TransportError('MM_CONNECT_TIMEOUT', 'nobody answers')

describe('a race of lanes', () => {
  let clock: FakeClock
  let log: string[]
  let pools: Record<'h3' | 'tcp', FakePool>
  /** What an observer does when it is notified of the end. */
  let onEnded: ((race: LaneRace) => void) | undefined
  beforeEach(() => {
    onEnded = undefined
    clock = new FakeClock(1_000)
    log = []
    pools = { h3: new FakePool('h3', log), tcp: new FakePool('tcp', log) }
  })

  /** What the connectors say that they tried, when they did not win. */
  const tried: Partial<Record<LaneName, (outcome: string) => AttemptRecord[]>> = {
    h3: outcome => [attempt({ protocol: 'h3', outcome: outcome as AttemptRecord['outcome'] })],
    tcp: outcome => [attempt({ outcome: outcome as AttemptRecord['outcome'] })],
  }

  const start = (isReplay = false, order: readonly ('h3' | 'tcp')[] = ['h3', 'tcp']) => {
    const racer: Racer = {
      onRaceWon: (lane, _connection, reused) =>
        void log.push(`won by ${lane.name}${reused ? ', reused' : ''}`),
      onRaceLost: error => void log.push(`lost: ${error.message}`),
    }
    const entrants = order.map((name, index) => {
      const connector = { attemptsOf: (outcome: string) => tried[name]?.(outcome) }
      return {
        lane: new Lane(name, pools[name] as unknown as Pool, connector as unknown as OriginConnector), // what a race asks of them
        entrant: { lane: name, startAfterMs: index * 50, because: `place ${index + 1}` },
      }
    })
    const race = new LaneRace({
      entrants,
      clock,
      racer,
      isReplay,
      onEnded: (one, winner) => {
        log.push(`ended after ${one.events.length}, ${winner?.name}`)
        onEnded?.(one)
      },
    })
    race.start()
    return race
  }
  const lease = (lane: 'h3' | 'tcp', one = connection(), reused = false) =>
    pools[lane].waiters.at(-1)!.onLease(one, reused)
  const fail = (lane: 'h3' | 'tcp', error: TransportError) => pools[lane].waiters.at(-1)!.onLeaseFailed(error)

  it('asks the second lane after its delay, and reports nothing of it when the first was faster', () => {
    start()
    clock.advance(49)
    expect(log).toEqual(['h3: acquire'])
    lease('h3')
    clock.advance(100)
    expect(log).toEqual(['h3: acquire', 'ended after 2, h3', 'won by h3'])
    expect(clock.pendingTimers()).toBe(0)
  })

  it('stops the dial over TCP that HTTP/3 has overtaken, and lets one over HTTP/3 go on', () => {
    start()
    clock.advance(50)
    lease('h3')
    expect(log).toEqual([
      'h3: acquire',
      'tcp: acquire',
      'tcp: cancel',
      'tcp: abandon dials',
      'ended after 4, h3',
      'won by h3',
    ])
    log.length = 0
    start()
    clock.advance(50)
    lease('tcp', connection(), true)
    expect(log.slice(2)).toEqual(['h3: cancel', 'ended after 4, tcp', 'won by tcp, reused'])
  })

  it('gives a lease back that comes although another lane has won', () => {
    start()
    const [late] = pools.h3.waiters
    clock.advance(50)
    lease('tcp')
    const ended = log.length
    late!.onLease(connection(), false)
    late!.onLeaseFailed(silent)
    expect(log.slice(ended)).toEqual(['h3: release'])
  })

  it('has no winner when a listener aborts it at its end, and gives the lease back', () => {
    onEnded = race => race.abort()
    start()
    lease('h3')
    expect(log).toEqual(['h3: acquire', 'ended after 2, h3', 'h3: release'])
    expect(clock.pendingTimers()).toBe(0)
  })

  it('counts as a replay when it asks again', () => {
    start(true)
    expect(log).toEqual(['h3: acquire again'])
  })

  it('takes a lease that comes within the call, and asks no other lane', () => {
    pools.h3.acquire = waiter => waiter.onLease(connection(), true)
    start(false)
    clock.advance(100)
    expect(log).toEqual(['ended after 2, h3', 'won by h3, reused'])
    expect(clock.pendingTimers()).toBe(0)
  })

  it('asks the next lane at once when the first one fails within the call, and leaves no timer', () => {
    pools.h3.acquire = waiter => waiter.onLeaseFailed(silent)
    start()
    expect(log).toEqual(['tcp: acquire'])
    lease('tcp')
    expect([log.slice(1), clock.pendingTimers()]).toEqual([['ended after 4, tcp', 'won by tcp'], 0])
  })

  it('is lost with the error of TCP, whichever failed last', () => {
    start()
    fail('h3', silent)
    expect(log).toEqual(['h3: acquire', 'tcp: acquire'])
    fail('tcp', refused)
    expect(log.slice(2)).toEqual(['ended after 4, undefined', 'lost: refused'])
    log.length = 0
    start()
    clock.advance(50)
    fail('tcp', refused)
    fail('h3', silent)
    expect(log.at(-1)).toBe('lost: refused')
  })

  it('takes everything back when it is given up, and notifies the racer of nothing', () => {
    const race = start()
    clock.advance(50)
    const [ofH3] = pools.h3.waiters
    race.abort()
    expect(log.slice(2)).toEqual([
      'h3: cancel',
      'tcp: cancel',
      'tcp: abandon dials',
      'ended after 4, undefined',
    ])
    ofH3!.onLease(connection(), false)
    expect([log.at(-1), clock.pendingTimers()]).toEqual(['h3: release', 0])
  })

  it('asks no lane any more when it was given up before the second one was due', () => {
    start().abort()
    clock.advance(1_000)
    expect(log).toEqual(['h3: acquire', 'h3: cancel', 'ended after 2, undefined'])
  })

  it('reports its events in order, with its own times', () => {
    const race = start()
    clock.advance(80)
    fail('h3', silent)
    clock.advance(5)
    lease('tcp')
    expect(race.events).toEqual([
      { atMs: 0, lane: 'h3', event: 'started', because: 'place 1' },
      { atMs: 50, lane: 'tcp', event: 'started', because: 'place 2' },
      { atMs: 80, lane: 'h3', event: 'failed', because: 'nobody answers' },
      { atMs: 85, lane: 'tcp', event: 'won', because: 'the first to have a connection' },
    ])
  })

  describe('reports its attempts', () => {
    it('over both lanes in one list, with its own times, the first of each with the reason of its lane', () => {
      const race = start()
      clock.advance(50)
      const made = [
        attempt({ outcome: 'failed', error: 'refused' }),
        attempt({ endpoint: '192.0.2.2:443', startedAtMs: 7, because: 'if no other is connected' }),
      ]
      lease('tcp', connection(made))
      expect(race.attempts()).toEqual([
        attempt({ protocol: 'h3', outcome: 'overtaken', because: 'place 1' }),
        attempt({ outcome: 'failed', error: 'refused', startedAtMs: 50, because: 'place 2' }),
        attempt({ endpoint: '192.0.2.2:443', startedAtMs: 57, because: 'if no other is connected' }),
      ])
    })

    it('of those lanes only that were asked', () => {
      const race = start()
      lease('h3', connection([attempt({ protocol: 'h3' })]))
      expect(race.attempts()).toEqual([attempt({ protocol: 'h3', because: 'place 1' })])
    })

    it('as failed where they failed, though the race is lost', () => {
      const race = start()
      fail('h3', silent)
      fail('tcp', refused)
      expect(race.attempts().map(({ protocol, outcome }) => `${protocol} ${outcome}`)).toEqual([
        'h3 failed',
        'h2 failed',
      ])
    })

    it('of the lane that won, though a lease came late from the other', () => {
      const race = start()
      const [late] = pools.h3.waiters
      clock.advance(50)
      lease('tcp', connection([attempt({})]))
      late!.onLease(connection([attempt({ protocol: 'h3' })]), false)
      expect(race.attempts().map(({ protocol, outcome }) => `${protocol} ${outcome}`)).toEqual([
        'h3 overtaken',
        'h2 connected',
      ])
    })
  })
})
