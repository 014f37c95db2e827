import { describe, expect, it } from 'vitest'
import type { RequestEnd, RequestWatch } from '../../../../src/bench/load/bench-client.ts'
import { EachClient } from '../../../../src/bench/load/job-runner.ts'
import { FakeBenchClient, GOOD, REQUEST } from './fake-bench-client.ts'

const COUNTS = { full: 1, resumed: 0, earlyData: 0, cleartext: 0 }

function madeClients() {
  const made: FakeBenchClient[] = []
  const each = new EachClient(async () => {
    const client = new FakeBenchClient(watch => {
      client.current = { opened: COUNTS, open: 1 }
      watch.onHead()
      watch.onEnd(GOOD)
    })
    made.push(client)
    return client
  })
  return { made, each }
}

const send = (each: EachClient): Promise<RequestEnd> =>
  new Promise(resolve => each.send(REQUEST, 0, { onHead: () => {}, onEnd: resolve }))

describe('a client for each request', () => {
  it('is made for it, and closed behind it', async () => {
    const { made, each } = madeClients()
    expect(await send(each)).toBe(GOOD)
    await each.whenFree()
    expect(await send(each)).toBe(GOOD)
    await each.whenFree()
    expect(made.map(({ closed, sent }) => [closed, sent.length])).toEqual([
      [1, 1],
      [1, 1],
    ])
    expect(each.whenFree()).toBeUndefined()
  })

  it('has the figures of all that there were, and no open connection of those that are closed', async () => {
    const { each } = madeClients()
    await send(each)
    expect(each.facts()).toMatchObject({ opened: COUNTS, open: 1 })
    await each.whenFree()
    await send(each)
    await each.close()
    expect(each.facts()).toEqual({
      opened: { ...COUNTS, full: 2 },
    })
  })

  it('takes the shelf of a client that is closed, and never that of a live one', async () => {
    const shelves: number[] = []
    const watches: RequestWatch[] = []
    const each = new EachClient(async shelf => {
      shelves.push(shelf)
      if (shelf === 2) throw new Error('no curl')
      return new FakeBenchClient(watch => watches.push(watch))
    })
    const ends = [send(each), send(each), send(each)]
    await ends[2]
    watches[1]?.onEnd(GOOD)
    await each.whenFree()
    const more = [send(each), send(each)]
    await more[1]
    expect(shelves).toEqual([0, 1, 2, 1, 2])
  })

  it('may close while the next ones run, as many at once as are asked for', async () => {
    const closed: (() => void)[] = []
    const each = new EachClient(async () => {
      const client = new FakeBenchClient(watch => watch.onEnd(GOOD))
      return Object.assign(client, { close: () => new Promise<void>(resolve => closed.push(resolve)) })
    }, 1)
    await send(each)
    expect(each.whenFree()).toBeUndefined()
    await send(each)
    const free = each.whenFree()
    expect(free).toBeInstanceOf(Promise)
    for (const resolve of closed) resolve()
    await free
    expect(each.whenFree()).toBeUndefined()
  })

  it('fails its request when it cannot be made', async () => {
    const each = new EachClient(() => Promise.reject(new Error('no curl')))
    expect(await send(each)).toMatchObject({ status: 0, error: new Error('no curl') })
  })
})
