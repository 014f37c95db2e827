import { describe, expect, it } from 'vitest'
import { JobRunner } from '../../../../src/bench/load/job-runner.ts'
import type { Arrival } from '../../../../src/bench/load/load-job.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { FakeBenchClient, GOOD, JOB } from './fake-bench-client.ts'

function runnerOf(answer: ConstructorParameters<typeof FakeBenchClient>[0]) {
  const made: FakeBenchClient[] = []
  let cpuMs = 0
  const make = async (): Promise<FakeBenchClient> => {
    const client = new FakeBenchClient(answer)
    made.push(client)
    return client
  }
  const clock = new FakeClock()
  const runner = new JobRunner(make, { clock, origins: 1, cpuMs: () => (cpuMs += 5), rssMiB: () => 42 })
  return { runner, made, clock }
}

describe('a job', () => {
  it('goes through the client that is kept', async () => {
    const { runner, made } = runnerOf(watch => watch.onEnd(GOOD))
    const first = await runner.run(JOB)
    const second = await runner.run(JOB)
    expect([first.requests, second.requests, made.length, made[0]?.closed]).toEqual([10, 10, 1, 0])
    await runner.close()
    expect(made[0]?.closed).toBe(1)
  })

  it('goes through a fresh client where it asks for one', async () => {
    const { runner, made } = runnerOf(watch => watch.onEnd(GOOD))
    await runner.run({ ...JOB, client: 'fresh' })
    await runner.run({ ...JOB, client: 'fresh' })
    expect(made.map(({ closed }) => closed)).toEqual([1, 1])
  })

  it('goes through a new client for each request where it asks for that', async () => {
    const { runner, made } = runnerOf(watch => watch.onEnd(GOOD))
    const report = await runner.run({ ...JOB, client: 'each' })
    expect([report.requests, made.length]).toEqual([10, 10])
    expect(made.every(({ closed }) => closed === 1)).toBe(true)
  })

  it.each<[string, Arrival, number]>([
    ['none of a closed loop', { kind: 'closed', concurrency: 1 }, 2_250],
    ['all of an open one', { kind: 'open', perSecond: 20, spacing: 'even', maxInFlight: 1 }, 450],
  ])(
    'with a client for each request has its wait for a ticket passed over by %s',
    async (_, arrival, wallMs) => {
      const clock = new FakeClock()
      const make = async () =>
        Object.assign(new FakeBenchClient(watch => watch.onEnd(GOOD)), {
          close: () => new Promise<void>(resolve => clock.setTimer(250, resolve)),
        })
      const runner = new JobRunner(make, { clock, origins: 1, cpuMs: () => 0, rssMiB: () => 42 }, true)
      const running = runner.run({ ...JOB, client: 'each', arrival })
      for (let ms = 0; ms < 3_000; ms += 50) {
        await new Promise(setImmediate) // promises have their turn
        clock.advance(50)
      }
      const report = await running
      expect(report).toMatchObject({ requests: 10, failures: 0, wallMs, late: { longestMs: 0 } })
      expect(report.latency.count).toBe(10)
      expect(report.latency.maxUs).toBe(0)
    },
  )

  it('goes through another client after a round that was stopped', async () => {
    const { runner, made } = runnerOf(watch => watch.onEnd({ status: 500, bytes: 0 }))
    const { stoppedBecause } = await runner.run({ ...JOB, measure: { requests: 100, seconds: 1 } })
    expect(stoppedBecause).toBeDefined()
    await runner.run(JOB)
    expect(made.map(({ closed }) => closed)).toEqual([1, 0])
  })
})

describe('the report of a job', () => {
  it('counts the warm-up in nothing but opened connections', async () => {
    const { runner, made } = runnerOf((watch, number) => {
      const client = made[0]
      if (client !== undefined) {
        const opened = { full: number + 1, resumed: 0, earlyData: 0, cleartext: 0 }
        client.current = { opened, open: 1 } // it makes another one for each request
      }
      watch.onEnd(GOOD)
    })
    const report = await runner.run({ ...JOB, warmUp: { requests: 4, seconds: 1 } })
    expect(report).toMatchObject({
      requests: 10,
      failures: 0,
      receivedBytes: 100,
      cpuMs: 5,
      rssMiB: 42,
      opened: { full: 14 },
      usable: 1 + 10,
      connections: [{ atMs: 0, open: 1 }],
      stoppedBecause: undefined,
    })
  })

  it('has the connections of its own round, however many there were in rounds before', async () => {
    const { runner, made } = runnerOf((watch, number) => {
      const opened = { full: 2, resumed: Math.floor(number / 5), earlyData: 0, cleartext: 0 }
      for (const client of made) client.current = { opened, open: 2 }
      watch.onEnd(GOOD)
    })
    const usable = async () => (await runner.run(JOB)).usable
    // Two connections from the start, and one in place of another after every fifth request.
    expect([await usable(), await usable(), await usable()]).toEqual([3, 4, 4])
  })

  it.each([
    ['reports a warm-up when it has ended', 4, [4]],
    ['reports no warm-up where there is none', 0, []],
  ])('%s, and the measurement waits for that', async (_, requests, told) => {
    const client = new FakeBenchClient(watch => watch.onEnd(GOOD))
    const sent: number[] = []
    let measure: () => void = () => {}
    const onWarm = () =>
      new Promise<void>(resolve => {
        sent.push(client.sent.length)
        measure = resolve
      })
    const surroundings = { clock: new FakeClock(), origins: 1, cpuMs: () => 0, rssMiB: () => 42, onWarm }
    const running = new JobRunner(async () => client, surroundings).run({
      ...JOB,
      warmUp: { requests, seconds: 1 },
    })
    await new Promise(setImmediate)
    expect(sent).toEqual(told)
    expect(client.sent).toHaveLength(told[0] ?? 10)
    measure()
    expect(await running).toMatchObject({ requests: 10 })
  })

  it('of a warm-up that its deadline ended says so, and has no measurement', async () => {
    const { runner, clock } = runnerOf(() => {})
    const running = runner.run({ ...JOB, warmUp: { requests: 1, seconds: 1 }, deadlineSeconds: 2 })
    await Promise.resolve() // the client is made
    clock.advance(2_000)
    expect(await running).toMatchObject({
      requests: 0,
      stoppedBecause: 'its deadline came in the warm-up',
      firstFailure: 'deadline: not ended before the deadline',
    })
  })
})
