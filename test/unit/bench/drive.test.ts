import { describe, expect, it } from 'vitest'
import type { BenchClient } from '../../../bench/clients/client-job.ts'
import { driveBurst, driveWhole } from '../../../bench/clients/drive.ts'

/** Answers a turn later; fails those whose number it is given. */
class FakeClient implements BenchClient {
  sent = 0
  most = 0
  isClosed = false
  #open = 0
  readonly #fails: readonly number[]

  constructor(fails: readonly number[] = []) {
    this.#fails = fails
  }

  send(_path: string, done: (bytes: number, error?: unknown) => void): void {
    const number = ++this.sent
    this.most = Math.max(this.most, ++this.#open)
    setImmediate(() => {
      this.#open--
      if (this.#fails.includes(number)) done(3, new Error(`no ${number}`))
      else done(10)
    })
  }

  close(): Promise<void> {
    this.isClosed = true
    return Promise.resolve()
  }
}

describe('driveWhole', () => {
  it('makes exactly the requests, so many at a time, and counts every byte and failure', async () => {
    const client = new FakeClient([3, 7])
    const report = await driveWhole(client, {
      kind: 'whole',
      path: '/1k',
      concurrency: 4,
      seconds: 60,
      requests: 21,
    })
    expect([client.sent, client.most]).toEqual([21, 4])
    expect(report).toMatchObject({ requests: 21, failures: 2, bytes: 190, firstFailure: 'Error: no 3' })
  })

  it('ends with the last one that was begun when its time is over', async () => {
    const client = new FakeClient()
    const report = await driveWhole(client, {
      kind: 'whole',
      path: '/1k',
      concurrency: 2,
      seconds: 0.02,
      requests: Number.MAX_SAFE_INTEGER,
    })
    expect(report.requests).toBe(client.sent)
    expect(report.bytes).toBe(10 * client.sent)
  })
})

describe('driveBurst', () => {
  it('sends all at once and closes the client', async () => {
    const client = new FakeClient()
    const report = await driveBurst(() => Promise.resolve(client), {
      kind: 'burst',
      path: '/1k',
      requests: 20,
    })
    expect([client.most, client.isClosed, report.requests]).toEqual([20, true, 20])
  })
})
