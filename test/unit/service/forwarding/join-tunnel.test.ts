import { Duplex } from 'node:stream'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { joinTunnel } from '../../../../src/service/forwarding/join-tunnel.ts'
import { collectFaults, DEFECT, fail } from '../../../support/collected-faults.ts'

/** One side, whose peer takes a chunk when a test says so. */
class FakeSide extends Duplex {
  readonly taken: string[] = []
  #take: (() => void) | undefined
  readonly #isBlocked: boolean

  constructor({ isBlocked = false, allowHalfOpen = true } = {}) {
    super({ allowHalfOpen })
    this.#isBlocked = isBlocked
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: () => void): void {
    this.#take = () => {
      this.taken.push(chunk.toString())
      callback()
    }
    if (!this.#isBlocked) this.takeOne()
  }

  override _final(callback: () => void): void {
    this.taken.push('end')
    callback()
  }

  takeOne(): void {
    const take = this.#take
    this.#take = undefined
    take?.()
  }
}

const settled = async (): Promise<void> => {
  for (let turn = 0; turn < 5; turn++) await new Promise(resolve => setImmediate(resolve))
}

const uncounted = (): void => undefined

describe('joinTunnel', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }))
  afterEach(() => void vi.useRealTimers())

  it('carries both directions, and each end as an end', async () => {
    const client = new FakeSide()
    const origin = new FakeSide()
    const carried = [0, 0] as [number, number]
    joinTunnel(client, origin, (fromClient, fromOrigin) => {
      carried[0] += fromClient
      carried[1] += fromOrigin
    })
    origin.push('hello')
    origin.push(null)
    await settled()
    client.push('more')
    client.push(null)
    await settled()
    expect([client.taken, origin.taken]).toEqual([
      ['hello', 'end'],
      ['more', 'end'],
    ])
    expect(carried, 'bytes from the client, and from the origin').toEqual([4, 5])
    expect([client.closed, origin.closed, vi.getTimerCount()]).toEqual([true, true, 0])
  })

  it('gives a client that is blocked the last bytes of an origin that closes with its end', async () => {
    const client = new FakeSide({ isBlocked: true })
    const origin = new FakeSide({ allowHalfOpen: false })
    joinTunnel(client, origin, uncounted)
    for (const words of ['last', ' ', 'words']) origin.push(words)
    origin.push(null)
    await settled()
    expect([origin.closed, client.destroyed, client.taken]).toEqual([true, false, []])
    vi.advanceTimersByTime(3_600_000)
    client.push('this goes nowhere')
    for (let chunk = 0; chunk < 3; chunk++) {
      await settled()
      client.takeOne()
    }
    await settled()
    expect([client.taken, client.destroyed]).toEqual([['last', ' ', 'words', 'end'], false])
    client.push(null)
    await settled()
    expect([client.closed, client.errored, vi.getTimerCount()]).toEqual([true, null, 0])
  })

  it('does not wait forever for a client to end what is over', async () => {
    const client = new FakeSide()
    const origin = new FakeSide({ allowHalfOpen: false })
    joinTunnel(client, origin, uncounted)
    origin.push(null)
    await settled()
    expect([origin.closed, client.taken]).toEqual([true, ['end']])
    vi.advanceTimersByTime(9_999)
    expect(client.destroyed).toBe(false)
    vi.advanceTimersByTime(1)
    expect(client.destroyed).toBe(true)
  })

  it.each(['close', 'error'] as const)('ends both with the %s of either', async how => {
    for (const breaks of ['client', 'origin'] as const) {
      const sides = { client: new FakeSide({ isBlocked: true }), origin: new FakeSide({ isBlocked: true }) }
      joinTunnel(sides.client, sides.origin, uncounted)
      sides.client.push('a')
      sides.origin.push('b')
      await settled()
      sides[breaks].destroy(how === 'error' ? new Error('reset') : undefined)
      await settled()
      expect([sides.client.closed, sides.origin.closed, vi.getTimerCount()], breaks).toEqual([true, true, 0])
    }
  })

  it('ends an origin that has ended, and goes on reading, with a client that breaks', async () => {
    const client = new FakeSide()
    const origin = new FakeSide()
    joinTunnel(client, origin, uncounted)
    origin.push(null)
    await settled()
    client.destroy(new Error('reset'))
    await settled()
    expect(origin.closed).toBe(true)
  })
})

describe('a defect in an event of a tunnel', () => {
  it.each(['client', 'origin'] as const)('ends both sides (the close of the %s)', async breaks => {
    const heard = collectFaults()
    const sides = { client: new FakeSide(), origin: new FakeSide() }
    joinTunnel(sides.client, sides.origin, uncounted)
    Object.defineProperty(sides[breaks], 'readableEnded', { get: fail })
    sides[breaks].destroy()
    await settled()
    expect(heard()).toEqual([`an event of a tunnel: ${String(DEFECT)}`])
    expect([sides.client.destroyed, sides.origin.destroyed]).toEqual([true, true])
  })
})
