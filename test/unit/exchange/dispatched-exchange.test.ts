import { beforeEach, describe, expect, it } from 'vitest'
import { TransportError } from '../../../src/base/errors.ts'
import { parseOrigin } from '../../../src/base/http/origin.ts'
import { ScriptedSource } from '../../contract/scripted-source.ts'
import { FakeStreamSocket } from '../../support/fake-early-gate.ts'
import { died, FakeExchangeWorld } from './fake-exchange-world.ts'

describe('DispatchedExchange', () => {
  let world: FakeExchangeWorld
  beforeEach(() => {
    world = new FakeExchangeWorld()
  })

  it('waits, is leased, passes everything on, and reports its end once', () => {
    const { exchange, handler } = world.exchange({ method: 'PUT', body: Buffer.from('four') })
    expect([world.log, world.holders]).toEqual([['acquire'], 1])
    world.clock.advance(10)
    expect(exchange.queueMs).toBe(10)
    const controller = world.lease(exchange, { id: 9, reused: true })
    world.clock.advance(20)
    exchange.onInformational(controller, 103, ['a', 'b'])
    exchange.onResponseStart(controller, 200, ['c', 'd'], 'OK')
    exchange.onResponseData(controller, Buffer.from('abc'))
    world.clock.advance(5)
    exchange.onResponseEnd(controller, ['t', '1'])
    expect(handler.log).toEqual(['request-start', 'informational 103', 'response-start 200', 'response-end'])
    expect([handler.body.toString(), handler.trailers]).toEqual(['abc', ['t', '1']])
    expect(world.ended).toEqual([
      {
        type: 'exchange-ended',
        origin: parseOrigin('https://shop.test'),
        method: 'PUT',
        path: '/',
        status: 200,
        protocol: 'http/1.1',
        lane: 'tcp',
        connectionId: 9,
        reused: true,
        retries: 0,
        attempts: [],
        requestBytes: 4,
        responseBytes: 3,
        earlyData: 'none',
        stallMs: undefined,
        queueMs: 10,
        ttfbMs: 20,
        totalMs: 35,
        error: undefined,
      },
    ])
    expect([world.reuses, world.holders, exchange.ttfbMs, exchange.queueMs]).toEqual([1, 0, 20, 10])
  })

  it('ends with an upgrade', () => {
    const { exchange, handler } = world.exchange()
    const controller = world.lease(exchange)
    exchange.onUpgrade(controller, 101, [], new FakeStreamSocket())
    expect(handler.log).toEqual(['request-start', 'upgrade 101'])
    expect([world.ended.length, world.ended[0]?.status, world.holders]).toEqual([1, 101, 0])
  })

  describe('aborted', () => {
    const gone = new TransportError('MM_CLIENT_GONE', 'gone')

    it('while it waits: leaves the pool, and its handler is notified synchronously', () => {
      const { exchange, handler } = world.exchange()
      exchange.abort(gone)
      expect(world.log).toEqual(['acquire', 'cancel'])
      expect(handler.log).toEqual(['response-error MM_CLIENT_GONE no'])
      expect(world.ended).toMatchObject([{ status: 0, connectionId: 0, protocol: undefined, error: gone }])
    })

    it('while it is active: through its connection, and is never sent again', () => {
      const { exchange, handler } = world.exchange()
      const controller = world.lease(exchange, { reused: true })
      exchange.abort(died('unknown')) // whatever the error looks like
      expect([controller.log, world.log]).toEqual([['abort MM_CONNECTION_CLOSED'], ['acquire']])
      expect(handler.log).toEqual(['request-start', 'response-error MM_CONNECTION_CLOSED unknown'])
    })

    it('while it waits for its second connection', () => {
      const { exchange, handler } = world.exchange()
      const controller = world.lease(exchange, { reused: true })
      exchange.onResponseError(controller, died())
      exchange.abort(gone)
      expect(world.log).toEqual(['acquire', 'retry stale-connection', 'acquire fresh', 'cancel'])
      expect(handler.error).toBe(gone)
      expect([world.ended.length, world.holders]).toEqual([1, 0])
    })

    it('after its end: does nothing', () => {
      const { exchange, handler } = world.exchange()
      const controller = world.lease(exchange)
      exchange.onResponseEnd(controller, [])
      exchange.abort(gone)
      exchange.onLeaseFailed(gone)
      exchange.onResponseError(controller, gone)
      expect([handler.log, world.ended.length]).toEqual([['request-start', 'response-end'], 1])
    })

    it('with a body that nobody took, notifies its source', () => {
      const source = new ScriptedSource()
      const { exchange } = world.exchange({ method: 'PUT', body: source })
      exchange.abort(gone)
      expect(source.isCancelled).toBe(true)
    })

    it('with a body whose source throws when it is notified: ends all the same', () => {
      const source = new ScriptedSource()
      source.onCancel = () => {
        throw new Error('a defect')
      }
      const { exchange, handler } = world.exchange({ method: 'PUT', body: source })
      exchange.abort(gone)
      expect([handler.error, world.ended.length]).toEqual([gone, 1])
    })
  })

  describe('after a failed try', () => {
    it('is sent again after a stale connection, on a new one, and its handler is notified of a second start only', () => {
      const { exchange, handler } = world.exchange()
      const first = world.lease(exchange, { id: 1, reused: true })
      exchange.onResponseError(first, died())
      expect(world.log).toEqual(['acquire', 'retry stale-connection', 'acquire fresh'])
      const second = world.lease(exchange, { id: 2 })
      exchange.onResponseEnd(second, [])
      expect(handler.log).toEqual(['request-start', 'request-start', 'response-end'])
      expect(world.ended).toMatchObject([{ retries: 1, connectionId: 2, reused: false, error: undefined }])
      expect([exchange.retries, exchange.connection?.id]).toEqual([1, 2])
    })

    it('reports as waiting its time in queues, and not that of a try that failed', () => {
      const { exchange } = world.exchange()
      world.clock.advance(10)
      const first = world.lease(exchange, { reused: true })
      world.clock.advance(1_000)
      exchange.onResponseError(first, died())
      expect(exchange.queueMs).toBe(10)
      world.clock.advance(3)
      exchange.onLeaseFailed(died('no', 'MM_CONNECT_REFUSED'))
      world.clock.advance(2)
      expect(exchange.queueMs).toBe(15)
      const last = world.lease(exchange, { id: 2 })
      world.clock.advance(20)
      exchange.onResponseStart(last, 200, [], '')
      exchange.onResponseEnd(last, [])
      const refused = world.exchange({}, { maxRetries: 0 })
      world.clock.advance(7)
      refused.exchange.onLeaseFailed(died('no', 'MM_CONNECT_REFUSED'))
      world.clock.advance(100)
      expect([exchange.queueMs, refused.exchange.queueMs]).toEqual([15, 7])
      expect(world.ended).toMatchObject([
        { retries: 2, queueMs: 15, ttfbMs: 20, totalMs: 1_035 },
        { queueMs: 7 },
      ])
    })

    it('reports at its end the outcome of the tries before, in times since its dispatch', () => {
      const { exchange } = world.exchange()
      world.clock.advance(10)
      const first = world.lease(exchange, { id: 1, reused: true })
      world.clock.advance(1_000)
      exchange.onResponseError(first, died())
      world.clock.advance(3)
      exchange.onLeaseFailed(died('no', 'MM_CONNECT_REFUSED'))
      exchange.onResponseEnd(world.lease(exchange, { id: 2 }), [])
      const tries = world.ended[0]?.earlierTries
      expect(tries).toEqual([
        {
          leasedAtMs: 10,
          failedAtMs: 1_010,
          lane: 'tcp',
          protocol: 'http/1.1',
          connectionId: 1,
          reused: true,
          code: 'MM_CONNECTION_CLOSED',
          reason: 'stale-connection',
        },
        {
          leasedAtMs: undefined,
          failedAtMs: 1_013,
          lane: 'tcp',
          protocol: undefined,
          connectionId: 0,
          reused: false,
          code: 'MM_CONNECT_REFUSED',
          reason: 'connect-failed',
        },
      ])
    })

    it('is sent again on a new connection, whatever the method, when its reused one was dead before a byte was written', () => {
      const { exchange } = world.exchange({ method: 'POST' })
      const controller = world.lease(exchange, { reused: true })
      exchange.onResponseError(controller, died('no'))
      expect(world.log).toEqual(['acquire', 'retry unprocessed', 'acquire fresh'])
    })

    it('is sent again after a failed connect, for as long as the options and the budget allow', () => {
      const refused = died('no', 'MM_CONNECT_REFUSED')
      const { exchange, handler } = world.exchange({ method: 'POST' }, { maxRetries: 5, budgetMin: 2 })
      exchange.onLeaseFailed(refused)
      exchange.onLeaseFailed(refused)
      expect(handler.log).toEqual([])
      exchange.onLeaseFailed(refused)
      expect(handler.error).toBe(refused)
      expect(world.log).toEqual([
        'acquire',
        'retry connect-failed',
        'acquire again',
        'retry connect-failed',
        'acquire again',
      ])
      expect(world.ended).toMatchObject([{ retries: 2, error: refused }])
    })

    it.each([
      ['a POST that was written', { method: 'POST' }, died()],
      ['a time-out', {}, died('unknown', 'MM_HEADERS_TIMEOUT')],
      ['what was answered', {}, died('yes')],
      ['a fault of our own', {}, died('no', 'MM_INVALID_ARGUMENT')],
    ] as const)('is never sent again: %s', (_what, request, error) => {
      const { exchange, handler } = world.exchange(request)
      const controller = world.lease(exchange, { reused: true })
      exchange.onResponseError(controller, error)
      expect([handler.error, world.log]).toEqual([error, ['acquire']])
    })

    it.each(['onInformational', 'onResponseStart'] as const)(
      'is never sent again once its handler was notified of %s',
      hook => {
        const { exchange, handler } = world.exchange()
        const controller = world.lease(exchange, { reused: true })
        if (hook === 'onInformational') exchange.onInformational(controller, 103, [])
        else exchange.onResponseStart(controller, 200, [], '')
        exchange.onResponseError(controller, died())
        expect([handler.error?.code, world.log]).toEqual(['MM_CONNECTION_CLOSED', ['acquire']])
      },
    )

    it('is never sent again with a body that was consumed', () => {
      const source = new ScriptedSource()
      const { exchange, handler } = world.exchange({ method: 'PUT', body: source })
      const controller = world.lease(exchange, { reused: true })
      source.isReplayable = () => false
      exchange.onResponseError(controller, died())
      expect([handler.error?.code, world.log]).toEqual(['MM_CONNECTION_CLOSED', ['acquire']])
    })
  })

  it('comes back after a refusal, to any connection that is not draining', () => {
    const { exchange } = world.exchange({ method: 'POST' })
    const controller = world.lease(exchange, { reused: true })
    exchange.onResponseError(controller, died('no', 'MM_REFUSED'))
    expect(world.log).toEqual(['acquire', 'retry unprocessed', 'acquire again'])
  })

  it('emits no event when nobody listens', () => {
    world.isObserved = false
    const { exchange, handler } = world.exchange()
    exchange.onResponseEnd(world.lease(exchange), [])
    expect([handler.log, world.ended, world.holders]).toEqual([['request-start', 'response-end'], [], 0])
  })

  describe('as an upgrade', () => {
    const unavailable = died('no', 'MM_UPGRADE_UNAVAILABLE')

    it('takes the detour where the connection cannot carry it, and has it remembered; that is no replay', () => {
      const { exchange, handler } = world.exchange({ upgrade: 'websocket' }, { maxRetries: 0 })
      exchange.onResponseError(world.lease(exchange, { reused: true }), unavailable)
      expect([world.log, world.extendedConnect]).toEqual([['acquire', 'acquire upgrade again'], [false]])
      exchange.onUpgrade(world.lease(exchange, { id: 2 }), 101, [], new FakeStreamSocket())
      expect(handler.log).toEqual(['request-start', 'request-start', 'upgrade 101'])
      expect(world.ended).toMatchObject([{ retries: 0, connectionId: 2, status: 101 }])
    })

    it('learns nothing from a connection whose peer has not announced yet what it offers', () => {
      const { exchange } = world.exchange({ upgrade: 'websocket' })
      exchange.onResponseError(world.lease(exchange, { isCapacityProvisional: true }), unavailable)
      expect([world.log, world.extendedConnect]).toEqual([['acquire', 'acquire upgrade again'], []])
    })

    it('fails where there is no detour, and where the detour leads nowhere', () => {
      const without = world.exchange({ upgrade: 'websocket' })
      world.hasDetour = false
      without.exchange.onResponseError(world.lease(without.exchange), unavailable)
      expect(without.handler.error).toBe(unavailable)
      world.hasDetour = true
      const { exchange, handler } = world.exchange({ upgrade: 'websocket' })
      exchange.onResponseError(world.lease(exchange), unavailable)
      exchange.onLeaseFailed(died('no', 'MM_ALPN_MISMATCH'))
      expect(handler.error).toMatchObject({
        code: 'MM_UPGRADE_UNAVAILABLE',
        cause: { code: 'MM_ALPN_MISMATCH' },
      })
    })

    it('goes on without it where it is optional and HTTP/1.1 leads nowhere, whatever body it has', () => {
      const optional = { method: 'POST', upgrade: 'tls/1.2', isUpgradeOptional: true, body: Buffer.from('x') }
      const { exchange, handler } = world.exchange(optional, { maxRetries: 0 })
      exchange.onResponseError(world.lease(exchange), unavailable)
      exchange.onLeaseFailed(died('no', 'MM_ALPN_MISMATCH'))
      expect(world.log).toEqual(['acquire', 'acquire upgrade again', 'acquire again'])
      world.hasDetour = false
      const without = world.exchange(optional, { maxRetries: 0 })
      without.exchange.onResponseError(world.lease(without.exchange), unavailable)
      for (const way of [exchange, without.exchange]) {
        const controller = world.lease(way)
        expect(world.opened?.request).toMatchObject({
          upgrade: undefined,
          method: 'POST',
          body: optional.body,
        })
        way.onResponseStart(controller, 200, [], '')
        way.onResponseEnd(controller, [])
      }
      expect([handler.log.at(-1), without.handler.log.at(-1)]).toEqual(['response-end', 'response-end'])
      expect(world.extendedConnect, 'what extended CONNECT cannot say tells nothing of it').toEqual([])
    })

    it('is given up while it waits on the detour', () => {
      const { exchange, handler } = world.exchange({ upgrade: 'websocket' })
      exchange.onResponseError(world.lease(exchange), unavailable)
      exchange.abort(died('no', 'MM_CLIENT_GONE'))
      expect([world.log.at(-1), handler.error?.code]).toEqual(['cancel', 'MM_CLIENT_GONE'])
    })
  })

  describe('deadline', () => {
    it('ends it wherever it is, and says whether the origin may have acted', () => {
      const waiting = world.exchange({}, { requestMs: 50 })
      const active = world.exchange({}, { requestMs: 50 })
      world.lease(active.exchange)
      const answered = world.exchange({}, { requestMs: 50 })
      answered.exchange.onResponseStart(world.lease(answered.exchange), 200, [], '')
      world.clock.advance(50)
      const errors = [waiting, active, answered].map(({ handler }) => handler.error)
      expect(errors).toMatchObject([
        { code: 'MM_REQUEST_TIMEOUT', processed: 'no' },
        { code: 'MM_REQUEST_TIMEOUT', processed: 'unknown' },
        { code: 'MM_REQUEST_TIMEOUT', processed: 'yes' },
      ])
    })

    it('covers all tries together, and goes with the exchange', () => {
      const { exchange, handler } = world.exchange({}, { requestMs: 50 })
      world.clock.advance(30)
      exchange.onResponseError(world.lease(exchange, { reused: true }), died())
      world.clock.advance(20)
      expect(handler.error?.code).toBe('MM_REQUEST_TIMEOUT')
      const other = world.exchange({}, { requestMs: 50 })
      other.exchange.onResponseEnd(world.lease(other.exchange), [])
      expect(world.clock.pendingTimers()).toBe(0)
    })
  })

  describe('in early data', () => {
    const early = { mayBeEarly: true } as const

    it('is counted while it waits, and no longer', () => {
      const leased = world.exchange(early)
      const cancelled = world.exchange(early)
      world.exchange() // one that may not
      expect(world.earlyWaiters).toBe(2)
      world.lease(leased.exchange)
      cancelled.exchange.abort(died())
      expect(world.earlyWaiters).toBe(0)
    })

    it('is sent again once after a 425, not early, and the caller is notified of the last answer only', () => {
      const { exchange, handler } = world.exchange(early, { maxRetries: 0, budgetMin: 0 })
      const first = world.lease(exchange, { wasEarly: true, earlyData: 'accepted' })
      exchange.onResponseStart(first, 425, [], '')
      expect(first.log).toEqual(['abort MM_REFUSED'])
      expect(world.log).toEqual(['acquire', 'retry too-early', 'acquire again'])
      expect(world.earlyWaiters).toBe(0)
      const second = world.lease(exchange, { id: 2 })
      expect(world.opened?.request.mayBeEarly).toBe(false)
      exchange.onResponseStart(second, 425, [], '')
      exchange.onResponseEnd(second, [])
      expect(handler.log).toEqual(['request-start', 'request-start', 'response-start 425', 'response-end'])
      expect(world.ended).toMatchObject([{ status: 425, retries: 1, earlyData: 'none', connectionId: 2 }])
    })

    it('leaves a 425 to a caller that sent the request early itself (RFC 8470 5.2)', () => {
      const { exchange, handler } = world.exchange({ ...early, headers: ['early-data', '1'] })
      const controller = world.lease(exchange, { wasEarly: true })
      exchange.onResponseStart(controller, 425, [], '')
      expect(handler.log).toEqual(['request-start', 'response-start 425'])
    })

    it('leaves a 425 to a caller that has seen a part of the answer, and to a request that was not early', () => {
      const { exchange, handler } = world.exchange(early)
      const controller = world.lease(exchange, { wasEarly: true })
      exchange.onInformational(controller, 103, [])
      exchange.onResponseStart(controller, 425, [], '')
      expect(handler.log.at(-1)).toBe('response-start 425')
      const other = world.exchange(early)
      other.exchange.onResponseStart(world.lease(other.exchange), 425, [], '')
      expect(other.handler.log.at(-1)).toBe('response-start 425')
    })

    it('is sent again, not early, when the first one breaks under it', () => {
      const { exchange, handler } = world.exchange(early, { maxRetries: 0, budgetMin: 0 })
      const controller = world.lease(exchange, { wasEarly: true })
      exchange.onResponseError(controller, died('unknown', 'MM_PROTOCOL_ERROR'))
      expect(world.log).toEqual(['acquire', 'retry early-data-lost', 'acquire again'])
      exchange.onResponseError(world.lease(exchange), died())
      expect(handler.log.at(-1)).toContain('MM_CONNECTION_CLOSED')
    })

    it('reports what became of it, and how long losses held up the answer', () => {
      const { exchange } = world.exchange(early)
      const controller = world.lease(exchange, { wasEarly: true, earlyData: 'rejected' })
      controller.stallMs = 12
      expect(exchange.wasEarly).toBe(true)
      exchange.onResponseStart(controller, 200, [], '')
      exchange.onResponseEnd(controller, [])
      expect(world.ended).toMatchObject([{ earlyData: 'rejected', stallMs: 12 }])
    })
  })
})
