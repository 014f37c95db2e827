import { describe, expect, it } from 'vitest'
import { JobRunner } from '../../../../src/bench/load/run-job.ts'
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

describe('whom a job goes through', () => {
  it('the client that is kept', async () => {
    const { runner, made } = runnerOf(watch => watch.onEnd(GOOD))
    const first = await runner.run(JOB)
    const second = await runner.run(JOB)
    expect([first.requests, second.requests, made.length, made[0]?.closed]).toEqual([10, 10, 1, 0])
    await runner.close()
    expect(made[0]?.closed).toBe(1)
  })

  it('a fresh one', async () => {
    const { runner, made } = runnerOf(watch => watch.onEnd(GOOD))
    await runner.run({ ...JOB, client: 'fresh' })
    await runner.run({ ...JOB, client: 'fresh' })
    expect(made.map(({ closed }) => closed)).toEqual([1, 1])
  })

  it('one for each request', async () => {
    const { runner, made } = runnerOf(watch => watch.onEnd(GOOD))
    const report = await runner.run({ ...JOB, client: 'each' })
    expect([report.requests, made.length]).toEqual([10, 10])
    expect(made.every(({ closed }) => closed === 1)).toBe(true)
  })

  it('another one after a round that was stopped', async () => {
    const { runner, made } = runnerOf(watch => watch.onEnd({ status: 500, bytes: 0 }))
    const { stoppedBecause } = await runner.run({ ...JOB, measure: { requests: 100, seconds: 1 } })
    expect(stoppedBecause).toBeDefined()
    await runner.run(JOB)
    expect(made.map(({ closed }) => closed)).toEqual([1, 0])
  })
})

describe('the report', () => {
  it('has the warm-up in nothing but what was opened', async () => {
    const { runner, made } = runnerOf((watch, number) => {
      const client = made[0]
      if (client !== undefined) {
        const opened = { full: number + 1, resumed: 0, earlyData: 0, cleartext: 0 }
        client.current = { opened, open: 1 }
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
      connections: [{ atMs: 0, open: 1 }],
      stoppedBecause: undefined,
    })
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
