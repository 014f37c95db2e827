import { describe, expect, it } from 'vitest'
import { driveTimed, type SendTimed } from '../../../bench/clients/drive-timed.ts'

/** Ends its requests a turn later, and each turn takes 10 ms of a clock that nobody waits for. */
class FakeServer {
  time = 0
  open = 0
  most = 0
  readonly begun: number[] = []
  readonly #fails: readonly number[]

  constructor(fails: readonly number[] = []) {
    this.#fails = fails
  }

  readonly now = (): number => this.time

  readonly send: SendTimed = (number, done) => {
    this.begun.push(number)
    this.most = Math.max(this.most, ++this.open)
    setImmediate(() => {
      this.open--
      this.time += 10
      done(this.#fails.includes(number) ? new Error(`no ${number}`) : undefined)
    })
  }
}

const LONG = Number.MAX_SAFE_INTEGER

describe('driveTimed', () => {
  it('counts the first requests apart, by their begin, and then goes on for its time', async () => {
    const server = new FakeServer()
    const job = { concurrency: 2, learning: { requests: 6, seconds: LONG }, seconds: 0.1 }
    const ends = await driveTimed(job, server.send, server.now).ended
    expect(server.begun).toEqual(server.begun.map((_, i) => i))
    expect(server.most).toBe(2)
    expect(ends.filter(({ isLearning }) => isLearning).map(({ number }) => number)).toEqual([
      0, 1, 2, 3, 4, 5,
    ])
    // 100 ms of 10 ms each, two at a time, and those that were under way.
    const measured = ends.length - 6
    expect(measured).toBeGreaterThanOrEqual(10)
    expect(measured).toBeLessThanOrEqual(12)
    expect(server.open).toBe(0)
    for (const { ms } of ends) expect(ms).toBeGreaterThanOrEqual(10)
  })

  it('ends the learning by time where that comes sooner', async () => {
    const server = new FakeServer()
    const job = { concurrency: 1, learning: { requests: LONG, seconds: 0.05 }, seconds: 0.03 }
    const ends = await driveTimed(job, server.send, server.now).ended
    expect(ends.map(({ isLearning }) => isLearning)).toEqual([
      ...Array.from({ length: 5 }, () => true),
      ...Array.from({ length: 3 }, () => false),
    ])
  })

  it('tells which ones failed, and goes on after them', async () => {
    const server = new FakeServer([1, 3])
    const job = { concurrency: 1, learning: { requests: 5, seconds: LONG }, seconds: 0 }
    const ends = await driveTimed(job, server.send, server.now).ended
    expect(ends.map(({ number, error }) => [number, error instanceof Error])).toEqual([
      [0, false],
      [1, true],
      [2, false],
      [3, true],
      [4, false],
    ])
  })

  it('begins no more when it is stopped, and waits for what is under way', async () => {
    const server = new FakeServer()
    const job = { concurrency: 3, learning: { requests: LONG, seconds: LONG }, seconds: 1 }
    const drive = driveTimed(job, server.send, server.now)
    drive.stop()
    expect((await drive.ended).length).toBe(3)
  })

  it('neither overflows the stack nor loses its path when requests end within the call', async () => {
    let sent = 0
    const send: SendTimed = (_number, done) => {
      sent++
      done()
    }
    const job = { concurrency: 1, learning: { requests: 20_000, seconds: LONG }, seconds: 0 }
    expect((await driveTimed(job, send).ended).length).toBe(sent)
    expect(sent).toBe(20_000)
  })
})
