import { describe, expect, it } from 'vitest'
import { TransportError } from '../../../../src/base/errors.ts'
import type { Connection } from '../../../../src/base/events/connection.ts'
import type { ExchangeHandler, ExchangeRequest } from '../../../../src/base/http/exchange.ts'
import type { HeaderList } from '../../../../src/base/http/headers.ts'
import { DEFAULT_HEALTH_OPTIONS, type HealthOptions } from '../../../../src/base/options/health-options.ts'
import { checkOver } from '../../../../src/origin/health/check-exchange.ts'
import { FakeController } from '../../api/fake-controller.ts'

const ORIGIN = { scheme: 'https', authority: 'origin.example' } as const
const SERVING = Buffer.from([0, 0, 0, 0, 2, 0x08, 1])

interface Answer {
  readonly status: number
  readonly headers?: HeaderList
  readonly body?: Buffer
  readonly trailers?: HeaderList
}

/** What a check makes of the answer, and what it asked. `undefined`: none comes. */
async function check(options: Partial<HealthOptions>, answer: Answer | undefined, signal?: AbortSignal) {
  const controller = new FakeController()
  let asked: ExchangeRequest | undefined
  const open = (request: ExchangeRequest, handler: ExchangeHandler): void => {
    asked = request
    controller.onAbort = error => handler.onResponseError(controller, error)
    handler.onRequestStart(controller)
    if (answer === undefined) return
    handler.onResponseStart(controller, answer.status, answer.headers ?? [], '')
    if (answer.body !== undefined) handler.onResponseData(controller, answer.body)
    if (!controller.aborted) handler.onResponseEnd(controller, answer.trailers ?? [])
  }
  const connection: Pick<Connection, 'open'> = { open }
  const result = checkOver(
    connection as Connection, // it opens, and no more
    ORIGIN,
    { ...DEFAULT_HEALTH_OPTIONS, check: 'http', ...options },
    signal ?? new AbortController().signal,
  )
  return { result: await result, asked, controller }
}

describe('a check by HTTP', () => {
  it('sends the request that is configured', async () => {
    const options = { method: 'HEAD', path: '/up?deep', host: 'check.example', timeoutMs: 300 } as const
    const { asked } = await check(options, { status: 200 })
    expect(asked).toMatchObject({
      method: 'HEAD',
      path: '/up?deep',
      authority: 'check.example',
      scheme: 'https',
      body: null,
      headersTimeoutMs: 300,
    })
    expect((await check({}, { status: 200 })).asked?.authority).toBe('origin.example')
  })

  it('succeeds with a listed status alone', async () => {
    expect((await check({ statuses: [204] }, { status: 204 })).result).toEqual({
      isGood: true,
      because: 'status 204',
    })
    expect((await check({ statuses: [200, 204] }, { status: 503 })).result).toEqual({
      isGood: false,
      because: 'status 503 is none of 200, 204',
    })
  })

  it('reads no more of a long answer than its limit', async () => {
    const { result, controller } = await check({}, { status: 200, body: Buffer.alloc(100_000) })
    expect(result.isGood).toBe(true)
    expect(controller.aborted).toBe(true)
  })

  it('ends when its time is up, with an error that says so', async () => {
    const abort = new AbortController()
    const error = new TransportError('MM_HEADERS_TIMEOUT', 'no answer within 1 ms')
    const checked = check({}, undefined, abort.signal)
    abort.abort(error)
    await expect(checked).rejects.toBe(error)
  })
})

describe('a check by gRPC', () => {
  it.each<[string, boolean, Answer]>([
    ['SERVING', true, { status: 200, body: SERVING, trailers: ['grpc-status', '0'] }],
    [
      'NOT_SERVING',
      false,
      { status: 200, body: Buffer.from([0, 0, 0, 0, 2, 0x08, 2]), trailers: ['grpc-status', '0'] },
    ],
    ['grpc-status 12', false, { status: 200, headers: ['grpc-status', '12'] }],
    ['grpc-status is missing', false, { status: 200, body: SERVING }],
    [
      'no HealthCheckResponse',
      false,
      { status: 200, body: Buffer.from('x'), trailers: ['grpc-status', '0'] },
    ],
    ['HTTP status 502', false, { status: 502 }],
  ])('treats %s as %s', async (because, isGood, answer) => {
    const { result, asked } = await check({ check: 'grpc', service: 'shop.Cart' }, answer)
    expect(result).toEqual({ isGood, because })
    expect(asked).toMatchObject({
      method: 'POST',
      path: '/grpc.health.v1.Health/Check',
      acceptsTrailers: true,
      headers: expect.arrayContaining(['content-type', 'application/grpc']),
    })
    expect(asked?.body).toEqual(Buffer.from('\0\0\0\0\x0b\x0a\x09shop.Cart', 'latin1'))
  })
})
