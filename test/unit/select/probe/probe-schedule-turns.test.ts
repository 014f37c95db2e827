import { describe, expect, it } from 'vitest'
import { TransportError } from '../../../../src/base/errors.ts'
import { ProbeTurns } from '../../../../src/select/probe/probe-schedule.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'

const FAULT = { fault: 'not known within the 1000 ms that a probe has' }
const forever = (): Promise<never> => new Promise(() => {})
const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

function turns(maxParallel = 2) {
  const clock = new FakeClock()
  const caller = new AbortController()
  return { clock, caller, turns: new ProbeTurns({ clock, timeoutMs: 1000, maxParallel }, caller.signal) }
}

describe('the task queue of a probe', () => {
  it('runs so many tasks at once, and the others in order', async () => {
    const { turns: probe } = turns()
    const started: number[] = []
    const finish: (() => void)[] = []
    const results = [0, 1, 2, 3].map(i =>
      probe.run(() => {
        started.push(i)
        return new Promise<number>(resolve => finish.push(() => resolve(i)))
      }),
    )
    await turn()
    expect(started).toEqual([0, 1])
    finish[1]!()
    await turn()
    expect(started).toEqual([0, 1, 2])
    finish[0]!()
    await turn()
    finish[2]!()
    finish[3]!()
    expect(await Promise.all(results)).toEqual([0, 1, 2, 3])
    probe.end()
  })

  it('hands its turns on in order, so that a later task does not get between', async () => {
    const { turns: probe } = turns(1)
    let running = 0
    let most = 0
    const task = async (): Promise<void> => {
      most = Math.max(most, ++running)
      await turn()
      running--
    }
    const first = probe.run(task)
    const waiting = probe.run(task)
    const late = first.then(() => probe.run(task))
    await Promise.all([first, waiting, late])
    expect(most).toBe(1)
    probe.end()
  })

  it('makes a fault of what a task rejects with, and goes on', async () => {
    const { turns: probe } = turns(1)
    const error = new TransportError('MM_DNS_FAILED', 'a.test has no address')
    expect(await probe.run(() => Promise.reject(error))).toEqual({
      fault: error.message,
      code: 'MM_DNS_FAILED',
      hint: error.hint,
    })
    expect(
      await probe.run(() => {
        throw new RangeError('odd')
      }),
    ).toMatchObject({ fault: 'odd', code: 'MM_INTERNAL' })
    expect(await probe.run(() => Promise.resolve('next'))).toBe('next')
    probe.end()
  })

  it('ends when time is up: tasks that run, tasks that wait, and later ones', async () => {
    const { turns: probe, clock } = turns(1)
    const signals: AbortSignal[] = []
    const running = probe.run(signal => {
      signals.push(signal)
      return forever()
    })
    const waiting = probe.run(forever)
    await turn()
    clock.advance(999)
    expect(signals[0]!.aborted).toBe(false)
    clock.advance(1)
    expect(await Promise.all([running, waiting, probe.run(forever)])).toEqual([FAULT, FAULT, FAULT])
    expect([signals.length, signals[0]!.aborted, clock.pendingTimers()]).toEqual([1, true, 0])
  })

  it('reports that time is up, even for a task that rejects because its signal fired', async () => {
    const { turns: probe, clock } = turns()
    const result = probe.run(
      signal =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(new TransportError('MM_ABORTED', 'given up')))
        }),
    )
    clock.advance(1000)
    expect(await result).toEqual(FAULT)
  })

  it('ends with its caller, and leaves nothing behind', async () => {
    const { turns: probe, clock, caller } = turns()
    const result = probe.run(forever)
    caller.abort()
    expect(await result).toEqual(FAULT)
    expect(clock.pendingTimers()).toBe(0)
    probe.end()
  })
})
