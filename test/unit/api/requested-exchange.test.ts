import { PassThrough } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { RequestedExchange } from '../../../src/api/requested-exchange.ts'
import type { TransportResponse } from '../../../src/api/types.ts'
import { TransportError } from '../../../src/base/errors.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import { FakeController } from './fake-controller.ts'

describe('RequestedExchange', () => {
  const make = () => {
    const clock = new FakeClock()
    let settled = 0
    let exchange: RequestedExchange | undefined
    const promise = new Promise<TransportResponse>((resolve, reject) => {
      exchange = new RequestedExchange(clock, resolve, reject, () => void settled++)
    })
    if (exchange === undefined) throw new Error('a promise runs its executor at once')
    return { clock, exchange, promise, controller: new FakeController(), settled: () => settled }
  }

  it('resolves with the head, and has trailers and the total time when the body has ended', async () => {
    const { clock, exchange, promise, controller, settled } = make()
    exchange.onInformational(controller, 103, ['link', '</a>'])
    exchange.onResponseStart(controller, 200, ['a', '1', 'a', '2'], 'Fine')
    const response = await promise
    expect([response.status, response.statusText, response.headers]).toEqual([200, 'Fine', { a: ['1', '2'] }])
    expect(response.headers).toBe(response.headers)
    expect([response.trailers, response.info.timings.totalMs, settled()]).toEqual([{}, 0, 0])
    clock.advance(12)
    exchange.onResponseData(controller, Buffer.from('{"b":1}'))
    exchange.onResponseEnd(controller, ['t', '3'])
    expect(await response.json()).toEqual({ b: 1 })
    expect([response.trailers, response.info.timings.totalMs, settled()]).toEqual([{ t: '3' }, 12, 1])
    expect(response.info.informational).toEqual([{ status: 103, headers: { link: '</a>' } }])
  })

  it('rejects when it fails before the head, and hands later failures to the body', async () => {
    const error = new TransportError('MM_CONNECTION_CLOSED', 'lost')
    const early = make()
    early.exchange.onResponseError(undefined, error)
    await expect(early.promise).rejects.toBe(error)
    expect(early.settled()).toBe(1)

    const late = make()
    late.exchange.onResponseStart(late.controller, 200, [], '')
    late.exchange.onResponseError(late.controller, error)
    await expect((await late.promise).text()).rejects.toBe(error)
  })

  it('rejects an upgrade that nobody can use, and closes the tunnel', async () => {
    const { exchange, promise, controller } = make()
    const tunnel = new PassThrough()
    exchange.onUpgrade(controller, 101, [], tunnel)
    await expect(promise).rejects.toMatchObject({ code: 'MM_INVALID_ARGUMENT' })
    expect(tunnel.destroyed).toBe(true)
  })
})
