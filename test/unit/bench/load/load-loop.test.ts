import { describe, expect, it } from 'vitest'
import { type ArrivalLimits, arrivalsOf } from '../../../../src/bench/load/arrivals.ts'
import { type Arrival, requestDraw } from '../../../../src/bench/load/load-job.ts'
import {
  DEADLINE_CAME,
  type DrivenClient,
  LoadLoop,
  TOO_MUCH_FAILED,
} from '../../../../src/bench/load/load-loop.ts'
import { LoadTally } from '../../../../src/bench/load/load-tally.ts'
import { Histogram } from '../../../../src/bench/results/histogram.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { FakeBenchClient, GOOD, REQUEST, stallingClient } from './fake-bench-client.ts'

const random = (): number => 0

function loopOf(
  clock: FakeClock,
  client: DrivenClient,
  arrival: Arrival,
  limits: Partial<ArrivalLimits> = {},
) {
  const all = { requests: Number.POSITIVE_INFINITY, seconds: Number.POSITIVE_INFINITY, ...limits }
  const tally = new LoadTally(clock.now())
  const arrivals = arrivalsOf(arrival, all, clock.now(), random)
  const loop = new LoadLoop({ client, arrivals, draw: requestDraw([REQUEST], 1, random), tally, clock })
  return { loop, tally, arrivals }
}

describe('a server that stalls for half a second', () => {
  const run = (arrival: Arrival): Histogram => {
    const clock = new FakeClock()
    const { loop, tally } = loopOf(clock, stallingClient(clock, 1_000, 1_500), arrival, { seconds: 3 })
    loop.start()
    clock.advance(10_000)
    expect(tally.report().failures).toBe(0)
    return Histogram.fromRecord(tally.report().latency)
  }

  it('hardly shows in a closed loop, which sends nothing meanwhile', () => {
    const latency = run({ kind: 'closed', concurrency: 1 })
    expect(latency.quantile(0.99)).toBeLessThan(1.1)
    expect(latency.maxMs).toBeGreaterThan(500)
  })

  it('shows in an open loop in all requests that came meanwhile', () => {
    const latency = run({ kind: 'open', perSecond: 500, spacing: 'even', maxInFlight: 10_000 })
    expect(latency.count).toBe(1_500)
    // 250 of 1,500 came during the stall, and as many again found the line that it left.
    expect(latency.quantile(0.99)).toBeGreaterThan(450)
    expect(latency.quantile(0.9)).toBeGreaterThan(200)
    expect(latency.quantile(0.5)).toBeLessThan(1.1)
  })

  it('shows as well where few may be under way, since waiting for a place counts', () => {
    const few = run({ kind: 'open', perSecond: 500, spacing: 'even', maxInFlight: 2 })
    const many = run({ kind: 'open', perSecond: 500, spacing: 'even', maxInFlight: 10_000 })
    expect(few.quantile(0.99)).toBeCloseTo(many.quantile(0.99), 0)
  })
})

describe('a load with failures', () => {
  const failing = (share: number) =>
    new FakeBenchClient((watch, number) =>
      watch.onEnd(number % 100 < share ? { status: 503, bytes: 0 } : GOOD),
    )

  it('stops when more than a fifth fails, after 50 requests', () => {
    const { loop, tally } = loopOf(
      new FakeClock(),
      failing(21),
      { kind: 'closed', concurrency: 1 },
      { requests: 1_000 },
    )
    loop.start()
    expect(loop.stoppedBecause).toBe(TOO_MUCH_FAILED)
    expect(tally.report().requests).toBe(50)
  })

  it('does not stop below a fifth', () => {
    const clock = new FakeClock()
    // One in five, evenly: never more than a fifth after 50.
    const client = new FakeBenchClient((watch, number) =>
      watch.onEnd(number % 5 === 4 ? { status: 503, bytes: 0 } : GOOD),
    )
    const { loop, tally } = loopOf(clock, client, { kind: 'closed', concurrency: 1 }, { requests: 1_000 })
    loop.start()
    expect(loop.stoppedBecause).toBeUndefined()
    expect(tally.report()).toMatchObject({ requests: 1_000, failures: 200 })
  })

  it('counts as failures those that were due when it was stopped', async () => {
    const clock = new FakeClock()
    const ends: (() => void)[] = []
    const client = new FakeBenchClient(watch => ends.push(() => watch.onEnd({ status: 503, bytes: 0 })))
    const arrival = { kind: 'open', perSecond: 1_000, spacing: 'even', maxInFlight: 50 } as const
    const { loop, tally } = loopOf(clock, client, arrival, { requests: 500 })
    loop.start()
    clock.advance(1_000)
    for (let end = ends.shift(); end !== undefined; end = ends.shift()) end()
    await loop.ended
    expect(loop.stoppedBecause).toBe(TOO_MUCH_FAILED)
    expect(client.sent.length).toBeLessThan(500)
    expect(tally.report()).toMatchObject({ requests: 500, failures: 500, firstFailure: 'status 503' })
  })

  it('may report any number of them from within send()', async () => {
    const { loop, tally } = loopOf(
      new FakeClock(),
      new FakeBenchClient(watch => watch.onEnd(GOOD)),
      { kind: 'closed', concurrency: 4 },
      { requests: 100_000 },
    )
    loop.start()
    await loop.ended
    expect(tally.report().requests).toBe(100_000)
  })
})

describe('the deadline of a load', () => {
  it('fails what is under way, and what was due and had not begun', async () => {
    const clock = new FakeClock()
    const { loop, tally } = loopOf(
      clock,
      new FakeBenchClient(() => {}),
      { kind: 'open', perSecond: 100, spacing: 'even', maxInFlight: 2 },
      { seconds: 1 },
    )
    loop.start()
    clock.advance(95)
    loop.abandon()
    await loop.ended
    expect(loop.stoppedBecause).toBe(DEADLINE_CAME)
    expect(tally.report()).toMatchObject({
      requests: 10,
      failures: 10,
      failuresByCode: { deadline: 2, 'not-begun': 8 },
    })
    expect(clock.pendingTimers()).toBe(0)
  })

  it('leaves out of the measurement what ends after it', async () => {
    const clock = new FakeClock()
    const ends: (() => void)[] = []
    const client = new FakeBenchClient(watch => ends.push(() => watch.onEnd(GOOD)))
    const { loop, tally } = loopOf(clock, client, { kind: 'closed', concurrency: 1 })
    loop.start()
    loop.abandon()
    for (const end of ends) end()
    expect(tally.report()).toMatchObject({ requests: 1, failures: 1 })
    expect(client.sent).toHaveLength(1)
  })
})

describe('a client that has to be waited for after an end', () => {
  it('gets the next request when it is free, without that wait in any latency', async () => {
    const clock = new FakeClock()
    let release: () => void = () => {}
    const client: DrivenClient = Object.assign(new FakeBenchClient(watch => watch.onEnd(GOOD)), {
      whenFree: () =>
        new Promise<void>(resolve => {
          release = resolve
        }),
    })
    const { loop, tally } = loopOf(clock, client, { kind: 'closed', concurrency: 1 }, { requests: 2 })
    loop.start()
    clock.advance(100)
    expect(tally.report().requests).toBe(1)
    release()
    await Promise.resolve()
    expect(tally.report().requests).toBe(2)
    release()
    await loop.ended
    expect(Histogram.fromRecord(tally.report().latency).maxMs).toBe(0)
  })
})
