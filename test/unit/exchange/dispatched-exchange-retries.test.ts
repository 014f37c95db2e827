import { beforeEach, describe, expect, it } from 'vitest'
import { TransportError } from '../../../src/base/errors.ts'
import { parseOrigin } from '../../../src/base/http/origin.ts'
import type { OriginOptions } from '../../../src/base/options/options.ts'
import { DEFAULT_RETRY_OPTIONS } from '../../../src/base/options/options.ts'
import { Admission } from '../../../src/origin/admission/admission.ts'
import { SettingsBook } from '../../../src/origin/origin-settings.ts'
import { FakeExchangeWorld } from './fake-exchange-world.ts'

const NO_BODY = ['content-length', '0']

describe('DispatchedExchange', () => {
  let world: FakeExchangeWorld
  beforeEach(() => {
    world = new FakeExchangeWorld()
  })

  const admissionOf = (defaults: OriginOptions): Admission => {
    const settings = new SettingsBook({ defaults }).settingsFor(parseOrigin('https://shop.test'))
    return Admission.of(settings, world.clock.now(), () => {})!
  }

  describe('answered with a status that is retried', () => {
    const statuses = [503]

    it('reads a short body away, which keeps the connection, and is sent again', () => {
      const { exchange, handler } = world.exchange({}, { statuses })
      const first = world.lease(exchange)
      exchange.onResponseStart(first, 503, ['content-length', '4'], '')
      exchange.onResponseData(first, Buffer.from('busy'))
      expect(world.log).toEqual(['acquire'])
      exchange.onResponseEnd(first, [])
      expect([first.log, world.log]).toEqual([[], ['acquire', 'retry status', 'acquire again']])
      const second = world.lease(exchange, { id: 2 })
      exchange.onResponseStart(second, 200, [], '')
      exchange.onResponseEnd(second, [])
      expect(handler.log).toEqual(['request-start', 'request-start', 'response-start 200', 'response-end'])
      expect(world.ended).toMatchObject([
        { status: 200, retries: 1, responseBytes: 0, earlierTries: [{ reason: 'status' }] },
      ])
    })

    it('gives a body up that does not come, or may be long', () => {
      const { exchange } = world.exchange({}, { statuses })
      const first = world.lease(exchange)
      exchange.onResponseStart(first, 503, ['content-length', '4'], '')
      world.clock.advance(100)
      expect(first.log).toEqual(['abort MM_REFUSED'])
      const second = world.lease(exchange)
      exchange.onResponseStart(second, 503, [], '')
      expect(second.log).toEqual(['abort MM_REFUSED'])
      expect(world.log).toEqual(['acquire', 'retry status', 'acquire again', 'retry status', 'acquire again'])
    })

    it('gets the last answer once its replays are used up', () => {
      const { exchange, handler } = world.exchange({}, { statuses, maxRetries: 1 })
      const first = world.lease(exchange)
      exchange.onResponseStart(first, 503, NO_BODY, '')
      exchange.onResponseEnd(first, [])
      const second = world.lease(exchange)
      exchange.onResponseStart(second, 503, NO_BODY, '')
      exchange.onResponseEnd(second, [])
      expect(handler.log).toEqual(['request-start', 'request-start', 'response-start 503', 'response-end'])
    })

    it.each<[string, object, object]>([
      ['the budget is empty', {}, { budgetMin: 0 }],
      ['its method is not idempotent', { method: 'POST' }, {}],
      ['it asks for an upgrade', { upgrade: 'websocket' }, {}],
      ['another status is listed', {}, { statuses: [502] }],
    ])('gets the first answer where %s', (_what, request, options) => {
      const { exchange, handler } = world.exchange(request, { statuses, ...options })
      exchange.onResponseStart(world.lease(exchange), 503, NO_BODY, '')
      expect([handler.log.at(-1), world.log]).toEqual(['response-start 503', ['acquire']])
    })

    it('gets the first answer while breakers.maxRetries others are sent again', () => {
      const admission = admissionOf({ breakers: { maxRetries: 1 } })
      const other = world.exchange({}, { statuses, admission })
      const controller = world.lease(other.exchange)
      other.exchange.onResponseStart(controller, 503, NO_BODY, '')
      other.exchange.onResponseEnd(controller, [])
      const { exchange, handler } = world.exchange({}, { statuses, admission })
      exchange.onResponseStart(world.lease(exchange), 503, NO_BODY, '')
      expect(handler.log.at(-1)).toBe('response-start 503')
    })

    it('is not sent again for a caller that gives up while the body is read away', () => {
      const { exchange, handler } = world.exchange({}, { statuses })
      const first = world.lease(exchange)
      exchange.onResponseStart(first, 503, ['content-length', '4'], '')
      exchange.abort(new TransportError('MM_CLIENT_GONE', 'gone'))
      expect([world.log, handler.log.at(-1)]).toEqual([['acquire'], 'response-error MM_CLIENT_GONE no'])
      world.clock.advance(1_000)
      expect(world.ended).toHaveLength(1)
    })
  })

  describe('with a time-out of each try', () => {
    const options = { perTryTimeoutMs: 50, maxRetries: 1 }

    it('is sent again when no answer begins in it, and fails when none does in the last try', () => {
      const { exchange, handler } = world.exchange({}, options)
      const first = world.lease(exchange)
      world.clock.advance(50)
      expect([first.log, world.log]).toEqual([
        ['abort MM_TRY_TIMEOUT'],
        ['acquire', 'retry try-timeout', 'acquire again'],
      ])
      world.clock.advance(500) // waiting has its own time-out
      world.lease(exchange)
      world.clock.advance(50)
      expect(handler.log.at(-1)).toBe('response-error MM_TRY_TIMEOUT unknown')
    })

    it('does not end an answer that has begun', () => {
      const { exchange, handler } = world.exchange({}, options)
      const controller = world.lease(exchange)
      world.clock.advance(49)
      exchange.onResponseStart(controller, 200, [], '')
      world.clock.advance(1_000)
      exchange.onResponseEnd(controller, [])
      expect([controller.log, handler.log.at(-1)]).toEqual([[], 'response-end'])
    })

    it('goes by what the request itself has of retry, and of time', () => {
      const retry = { ...DEFAULT_RETRY_OPTIONS, maxRetries: 0, perTryTimeoutMs: 20 }
      const tried = world.exchange({ retry }, options)
      const controller = world.lease(tried.exchange)
      world.clock.advance(20)
      expect(controller.log).toEqual(['abort MM_TRY_TIMEOUT'])
      expect(tried.handler.log.at(-1)).toBe('response-error MM_TRY_TIMEOUT unknown')
      const timed = world.exchange({ requestTimeoutMs: 30 }, options)
      world.clock.advance(30)
      expect(timed.handler.log.at(-1)).toBe('response-error MM_REQUEST_TIMEOUT no')
    })

    it('does not time a request that may not be sent again', () => {
      const { exchange } = world.exchange({ method: 'POST' }, options)
      const controller = world.lease(exchange)
      world.clock.advance(10_000)
      expect(controller.log).toEqual([])
    })
  })

  it('fails before it asks for a connection where its origin is full, and gives its place back at its end', () => {
    const admission = admissionOf({ breakers: { maxRequests: 1 } })
    const first = world.exchange({}, { admission })
    const second = world.exchange({}, { admission })
    expect(second.handler.log).toEqual(['response-error MM_BREAKER_OPEN no'])
    expect([world.log, world.holders]).toEqual([['acquire'], 1])
    const controller = world.lease(first.exchange)
    first.exchange.onResponseStart(controller, 200, [], '')
    first.exchange.onResponseEnd(controller, [])
    expect(admission.figures().breakers.requests).toEqual({ limit: 1, used: 0, refused: 1 })
  })
})
