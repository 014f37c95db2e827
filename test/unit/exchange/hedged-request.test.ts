import { beforeEach, describe, expect, it } from 'vitest'
import { TransportError } from '../../../src/base/errors.ts'
import type { DispatchedExchange } from '../../../src/exchange/dispatched-exchange.ts'
import type { RecordingHandler } from '../../contract/recorder.ts'
import { ScriptedSource } from '../../contract/scripted-source.ts'
import { FakeStreamSocket } from '../../support/fake-early-gate.ts'
import type { FakeController } from '../api/fake-controller.ts'
import { died, FakeExchangeWorld, PATIENCE_MS } from './fake-exchange-world.ts'

const TRIED = ['acquire h3', 'acquire second again']

describe('a second copy', () => {
  let world: FakeExchangeWorld
  beforeEach(() => {
    world = new FakeExchangeWorld()
    world.way = 'h3'
    world.isChoosing = true
  })

  /** An exchange over HTTP/3 that was given so long to answer. */
  const waited = (
    over: Parameters<FakeExchangeWorld['exchange']>[0] = {},
    options: Parameters<FakeExchangeWorld['exchange']>[1] & { isProven?: boolean } = {},
  ): { exchange: DispatchedExchange; handler: RecordingHandler; first: FakeController } => {
    const { isProven = false, ...rest } = options
    const { exchange, handler } = world.exchange(over, rest)
    const first = world.leaseHttp3(exchange, { id: 3, isProven })
    world.clock.advance(PATIENCE_MS)
    return { exchange, handler, first }
  }
  /** The second copy is sent. */
  const sent = (): FakeController => world.lease(world.second!, { id: 4, reused: true })
  /** An answer as a connection gives it: to whom it opened the exchange for. */
  const answer = (controller: FakeController, status = 200): void => {
    const { handler } = world.opened!
    handler.onResponseStart(controller, status, [], '')
    handler.onResponseData(controller, Buffer.from('ok'))
    handler.onResponseEnd(controller, [])
  }

  describe('is made', () => {
    it('when a path without any proof gives no answer in time, and not before', () => {
      const { exchange } = world.exchange()
      world.leaseHttp3(exchange)
      world.quic.receivedBytes += 1_000 // it lives
      world.clock.advance(PATIENCE_MS - 1)
      expect(world.log).toEqual(['acquire h3'])
      world.clock.advance(1)
      expect(world.log).toEqual(TRIED)
    })

    it('when a proven path has become unresponsive', () => {
      waited({}, { isProven: true })
      expect([world.log, world.pings]).toEqual([TRIED, 0])
    })

    it('not while a proven path still receives, which is asked by PING from then on', () => {
      const { exchange } = world.exchange()
      world.leaseHttp3(exchange, { isProven: true })
      for (let round = 1; round <= 3; round += 1) {
        world.quic.receivedBytes += 1
        world.clock.advance(PATIENCE_MS)
        expect([world.log, world.pings]).toEqual([['acquire h3'], round])
      }
      world.clock.advance(PATIENCE_MS)
      expect([world.log, world.pings]).toEqual([TRIED, 3])
    })

    it('for free where the path has failed another request meanwhile', () => {
      const { exchange } = world.exchange({}, { budgetMin: 0 })
      world.leaseHttp3(exchange, { isProven: true })
      world.clock.advance(PATIENCE_MS)
      expect(world.log, 'without a budget').toEqual(['acquire h3'])
      world.path!.onOvertaken(world.quic.receivedBytes, 100, 50)
      world.clock.advance(PATIENCE_MS)
      expect(world.log).toEqual(TRIED)
    })

    it('once, and not early', () => {
      waited({ mayBeEarly: true })
      sent()
      expect(world.opened?.request.mayBeEarly).toBe(false)
      world.clock.advance(10 * PATIENCE_MS)
      expect(world.log).toEqual(TRIED)
    })

    it.each<[string, Parameters<FakeExchangeWorld['exchange']>[0]]>([
      ['a POST', { method: 'POST' }],
      ['a method that is idempotent, but changes things', { method: 'DELETE' }],
      ['a request with a body', { body: Buffer.from('x') }],
      ['one with a stream for a body', { body: new ScriptedSource() }],
    ])('never for %s', (_what, over) => {
      waited(over)
      expect(world.log).toEqual(['acquire h3'])
    })

    it('never for an upgrade', () => {
      const { exchange } = world.exchange({ upgrade: 'websocket' })
      world.leaseHttp3(exchange)
      world.clock.advance(PATIENCE_MS)
      expect(world.log).toEqual(['acquire'])
    })

    it('never over TCP, nor without another lane, nor without a budget', () => {
      world.way = 'tcp'
      const overTcp = world.exchange()
      world.lease(overTcp.exchange)
      world.clock.advance(PATIENCE_MS)
      world.way = 'h3'
      world.hasFallback = false
      waited()
      world.hasFallback = true
      waited({}, { budgetMin: 0 })
      expect(world.log).toEqual(['acquire', 'acquire h3', 'acquire h3'])
    })

    it('never for a request that was answered or has ended', () => {
      const answered = world.exchange()
      answered.exchange.onInformational(world.leaseHttp3(answered.exchange), 103, [])
      const failed = world.exchange({}, { maxRetries: 0 })
      failed.exchange.onResponseError(world.leaseHttp3(failed.exchange), died('unknown', 'MM_STREAM_RESET'))
      world.clock.advance(PATIENCE_MS)
      expect(world.log).toEqual(['acquire h3', 'acquire h3'])
    })
  })

  describe('when the first copy answers', () => {
    it('leaves the pool where it waits', () => {
      const { exchange, handler, first } = waited()
      answer(first)
      expect(world.log).toEqual([...TRIED, 'cancel second'])
      expect(handler.log).toEqual(['request-start', 'response-start 200', 'response-end'])
      expect(world.ended).toMatchObject([{ lane: 'h3', connectionId: 3, retries: 0 }])
      expect([exchange.retries, world.blamed]).toEqual([0, []])
    })

    it('is aborted where it is out, and not listened to any more', () => {
      const { exchange, handler, first } = waited()
      const second = sent()
      const ofSecond = world.opened!.handler
      exchange.onResponseStart(first, 200, [], '')
      expect(second.log).toEqual(['abort MM_ABORTED'])
      ofSecond.onInformational(second, 103, [])
      ofSecond.onResponseStart(second, 500, [], '')
      ofSecond.onResponseData(second, Buffer.from('no'))
      ofSecond.onResponseEnd(second, [])
      exchange.onResponseData(first, Buffer.from('ok'))
      exchange.onResponseEnd(first, [])
      expect(handler.log).toEqual(['request-start', 'response-start 200', 'response-end'])
      expect([handler.body.toString(), world.ended.length]).toEqual(['ok', 1])
    })

    it('is not needed once anything has arrived, which proves the path', () => {
      const { exchange, first } = waited()
      const second = sent()
      exchange.onInformational(first, 103, [])
      expect([second.log, world.proven]).toEqual([['abort MM_ABORTED'], 1])
      exchange.onResponseStart(first, 200, [], '')
      expect([world.path?.isProven, world.proven]).toEqual([true, 1])
    })
  })

  describe('when it answers', () => {
    it('becomes the exchange: the caller is notified of a second start, and the first copy is aborted', () => {
      const { exchange, handler, first } = waited()
      world.clock.advance(10)
      const second = sent()
      world.clock.advance(20)
      answer(second)
      expect(handler.log).toEqual(['request-start', 'request-start', 'response-start 200', 'response-end'])
      expect([first.log, world.proven]).toEqual([['abort MM_HEADERS_TIMEOUT'], 0])
      expect(world.log).toEqual([...TRIED, 'retry http3-failed'])
      expect(world.ended).toMatchObject([
        { lane: 'tcp', connectionId: 4, reused: true, retries: 1, ttfbMs: 20, queueMs: 10 },
      ])
      expect([exchange.connection?.id, exchange.reused, handler.body.toString()]).toEqual([4, true, 'ok'])
      // What HTTP/3 kept waiting counts against it.
      expect(world.samples).toMatchObject([
        { lane: 'h3', failed: false, ttfbMs: PATIENCE_MS + 30 },
        { lane: 'tcp', failed: false, ttfbMs: 20 },
      ])
      expect([world.lanes?.tcp.streams, world.lanes?.http3.streams]).toEqual([0, 0])
    })

    it('blames a path that was unresponsive all the while', () => {
      waited({}, { isProven: true })
      answer(sent())
      expect(world.blamed).toEqual([`silent for ${PATIENCE_MS} ms, while TCP answered`])
    })

    it('passes on informational responses, and decides with the first one', () => {
      const { handler, first } = waited()
      const second = sent()
      const { handler: ofSecond } = world.opened!
      ofSecond.onInformational(second, 103, ['link', '</a>'])
      expect([first.log, handler.log]).toEqual([
        ['abort MM_HEADERS_TIMEOUT'],
        ['request-start', 'request-start', 'informational 103'],
      ])
      answer(second)
      expect(handler.log.slice(3)).toEqual(['response-start 200', 'response-end'])
    })

    it('is final: when its body breaks, nothing is sent again', () => {
      const { handler } = waited()
      const second = sent()
      const { handler: ofSecond } = world.opened!
      ofSecond.onResponseStart(second, 200, [], '')
      ofSecond.onResponseError(second, died('yes'))
      expect(handler.log.slice(1)).toEqual([
        'request-start',
        'response-start 200',
        'response-error MM_CONNECTION_CLOSED yes',
      ])
      expect(world.log).toEqual([...TRIED, 'retry http3-failed'])
      expect([world.ended.length, world.holders]).toEqual([1, 0])
    })

    it('is aborted where the caller aborts, from then on', () => {
      const { exchange, handler } = waited()
      const second = sent()
      world.opened!.handler.onResponseStart(second, 200, [], '')
      exchange.abort(died('yes', 'MM_CLIENT_GONE'))
      expect([second.log, handler.error?.code]).toEqual([['abort MM_CLIENT_GONE'], 'MM_CLIENT_GONE'])
    })

    it('ends when the caller aborts from within that notice', () => {
      const { handler } = waited()
      handler.onStart = controller => controller.abort(died('no', 'MM_ABORTED'))
      const second = sent()
      world.opened!.handler.onResponseStart(second, 200, [], '')
      expect(handler.log).toEqual(['request-start', 'request-start', 'response-error MM_ABORTED no'])
      expect([world.ended.length, world.holders, world.lanes?.tcp.streams]).toEqual([1, 0, 0])
    })
  })

  describe('when the first copy fails', () => {
    it('decides: its answer is that of the exchange, and the failure counts as a retry', () => {
      const { exchange, handler, first } = waited()
      const second = sent()
      exchange.onResponseError(first, died())
      expect(handler.log).toEqual(['request-start'])
      answer(second)
      expect(handler.log.slice(1)).toEqual(['request-start', 'response-start 200', 'response-end'])
      expect([first.log, world.log]).toEqual([[], [...TRIED, 'retry http3-failed']])
      expect(world.ended).toMatchObject([{ retries: 1, lane: 'tcp', error: undefined }])
    })

    it('decides, even where it has no connection yet', () => {
      const { exchange, handler, first } = waited()
      exchange.onResponseError(first, died())
      answer(sent())
      expect([handler.status, world.log]).toEqual([200, [...TRIED, 'retry http3-failed']])
    })

    it('leaves it to the replay rules when it fails as well', () => {
      const { exchange, handler, first } = waited()
      const second = sent()
      exchange.onResponseError(first, died())
      world.opened!.handler.onResponseError(second, died('unknown', 'MM_CONNECTION_RESET'))
      expect(world.log).toEqual([...TRIED, 'retry http3-failed', 'acquire again'])
      exchange.onResponseEnd(world.lease(exchange), [])
      expect(handler.log).toEqual(['request-start', 'request-start', 'response-end'])
    })

    it('ends the exchange with the error of the first where no rule sends it again', () => {
      const { exchange, handler, first } = waited()
      const error = died('unknown', 'MM_STREAM_RESET')
      exchange.onResponseError(first, error)
      world.second!.onLeaseFailed(died('no', 'MM_CONNECT_REFUSED'))
      expect([handler.error, world.log, world.ended.length]).toEqual([error, TRIED, 1])
    })

    it('takes over from a 425 to the first, and that is not asked for again', () => {
      const { exchange, handler, first } = waited({ mayBeEarly: true })
      first.wasEarly = true
      const second = sent()
      exchange.onResponseStart(first, 425, [], '')
      expect(handler.log).toEqual(['request-start'])
      const { handler: ofSecond } = world.opened!
      ofSecond.onResponseStart(second, 200, [], '')
      ofSecond.onResponseError(second, died('yes'))
      expect(handler.log.at(-1)).toContain('response-error')
      expect(world.log).toEqual([...TRIED, 'retry http3-failed'])
    })
  })

  describe('when it fails', () => {
    it.each(['waiting', 'sent'] as const)('while it is %s, leaves the first copy to go on alone', state => {
      const { handler, first } = waited()
      const ofFirst = world.opened!.handler
      if (state === 'waiting') world.second!.onLeaseFailed(died('no', 'MM_CONNECT_REFUSED'))
      else {
        const second = sent()
        world.opened!.handler.onResponseError(second, died())
      }
      expect([first.log, handler.log]).toEqual([[], ['request-start']])
      ofFirst.onResponseStart(first, 200, [], '')
      ofFirst.onResponseEnd(first, [])
      expect(handler.log.slice(1)).toEqual(['response-start 200', 'response-end'])
      expect(world.ended).toMatchObject([{ lane: 'h3', retries: 0 }])
    })

    it('by an upgrade that nobody asked for, closes the tunnel', () => {
      const { handler } = waited()
      const second = sent()
      const tunnel = new FakeStreamSocket()
      world.opened!.handler.onUpgrade(second, 101, [], tunnel)
      expect([tunnel.destroyed, handler.log]).toEqual([true, ['request-start']])
    })
  })

  describe('when the caller gives up', () => {
    const gone = new TransportError('MM_ABORTED', 'gone')

    it.each<['handle' | 'controller', 'waiting' | 'sent']>([
      ['handle', 'waiting'],
      ['handle', 'sent'],
      ['controller', 'waiting'],
      ['controller', 'sent'],
    ])('by the %s, while it is %s, ends as well, and nothing is sent again', (by, state) => {
      const { exchange, handler, first } = waited()
      const second = state === 'sent' ? sent() : undefined
      if (by === 'handle') exchange.abort(gone)
      else first.abort(gone)
      expect(world.log).toEqual(second === undefined ? [...TRIED, 'cancel second'] : TRIED)
      expect([first.log, second?.log ?? ['abort MM_ABORTED']]).toEqual([
        ['abort MM_ABORTED'],
        ['abort MM_ABORTED'],
      ])
      expect([handler.error, world.ended.length, world.holders]).toEqual([gone, 1, 0])
    })

    it.each(['waiting', 'sent'] as const)(
      'after the first copy has failed, while it is %s, ends, and the caller is notified synchronously',
      state => {
        const { exchange, handler, first } = waited()
        const second = state === 'sent' ? sent() : undefined
        exchange.onResponseError(first, died())
        exchange.abort(gone)
        expect([handler.error, first.log]).toEqual([gone, []])
        if (second === undefined) expect(world.log.at(-1)).toBe('cancel second')
        else expect(second.log).toEqual(['abort MM_ABORTED'])
        expect([world.ended.length, world.holders, world.lanes?.http3.streams]).toEqual([1, 0, 0])
      },
    )

    it('by the deadline of the exchange, ends as well', () => {
      const { handler } = waited({}, { requestMs: PATIENCE_MS + 50 })
      const second = sent()
      world.clock.advance(50)
      expect([handler.error?.code, second.log]).toEqual(['MM_REQUEST_TIMEOUT', ['abort MM_ABORTED']])
      expect(world.clock.pendingTimers()).toBe(0)
    })
  })

  describe('on a path that has become unresponsive', () => {
    const http3Only = (over: Parameters<FakeExchangeWorld['exchange']>[0] = {}, budgetMin = 0) => {
      world.hasFallback = false
      const { exchange, handler } = world.exchange(over, { budgetMin })
      const first = world.leaseHttp3(exchange, { id: 3, isProven: true })
      const path = world.path!
      return { exchange, handler, first, path }
    }
    const sentOverHttp3 = (): FakeController => world.leaseHttp3(world.second!, { id: 4, isProven: true })

    it('goes over a new connection of HTTP/3 where there is no TCP, at once and for free', () => {
      const { handler, first, path } = http3Only()
      path.onUnresponsive()
      expect(world.log).toEqual(['acquire h3', 'acquire h3 second fresh'])
      answer(sentOverHttp3())
      expect(handler.log).toEqual(['request-start', 'request-start', 'response-start 200', 'response-end'])
      expect(world.log.at(-1)).toBe('retry unresponsive')
      expect([first.log, world.blamed]).toEqual([['abort MM_HEADERS_TIMEOUT'], []])
      expect(world.ended).toMatchObject([{ lane: 'h3', connectionId: 4, retries: 1 }])
      expect([world.lanes?.tcp.streams, world.lanes?.http3.streams]).toEqual([0, 0])
    })

    it('carries a body that is in memory, and says which alternative it uses', () => {
      const body = Buffer.from('put')
      const { path } = http3Only({ method: 'PUT', body })
      path.onUnresponsive()
      world.leaseHttp3(world.second!, { id: 4, altUsed: 'alt.test:8443' })
      expect(world.opened?.request).toMatchObject({ body, headers: ['alt-used', 'alt.test:8443'] })
    })

    it.each<[string, Parameters<FakeExchangeWorld['exchange']>[0]]>([
      ['a POST', { method: 'POST', body: Buffer.from('pay') }],
      ['a body that is produced', { method: 'PUT', body: new ScriptedSource() }],
      ['an upgrade', { upgrade: 'websocket' }],
    ])('is not made for %s', (_what, over) => {
      world.hasFallback = false
      const { exchange } = world.exchange(over)
      world.leaseHttp3(exchange, { isProven: true })
      world.path!.onUnresponsive()
      expect(world.second).toBeUndefined()
    })

    it('is not made for a request that was answered, has ended, or left the path', () => {
      const { exchange, first, path } = http3Only()
      exchange.onResponseStart(first, 200, [], '')
      const failed = http3Only({ method: 'POST' })
      failed.exchange.onResponseError(failed.first, died())
      path.onUnresponsive()
      failed.path.onUnresponsive()
      expect(world.second).toBeUndefined()
    })

    it('gives its connection back where the path has recovered meanwhile', () => {
      const { handler, first, path } = http3Only()
      path.onUnresponsive()
      world.quic.receivedBytes += 1
      sentOverHttp3()
      expect(world.log.slice(1)).toEqual(['acquire h3 second fresh', 'release h3'])
      answer(first)
      expect(handler.log).toEqual(['request-start', 'response-start 200', 'response-end'])
    })

    it('is tried again under the budget when it failed, as long as the path stays unresponsive', () => {
      const { exchange, handler, first, path } = http3Only({}, 1)
      path.onUnresponsive()
      world.fail(world.second!, died('no', 'MM_CONNECT_REFUSED'))
      expect(world.log).toHaveLength(2)
      world.clock.advance(PATIENCE_MS)
      expect(world.log.slice(2)).toEqual(['acquire h3 second fresh'])
      world.fail(world.second!, died('no', 'MM_CONNECT_REFUSED'))
      world.clock.advance(10 * PATIENCE_MS)
      expect(world.log).toHaveLength(3)
      exchange.onResponseError(first, died('unknown', 'MM_STREAM_RESET'))
      expect(handler.error?.code).toBe('MM_STREAM_RESET')
    })

    it('goes over TCP where there is TCP and the budget allows it, and over a new connection otherwise', () => {
      for (const [budgetMin, expected] of [
        [1, 'acquire second again'],
        [0, 'acquire h3 second fresh'],
      ] as const) {
        const { exchange } = world.exchange({}, { budgetMin })
        world.leaseHttp3(exchange, { isProven: true })
        world.path!.onUnresponsive()
        expect(world.log.at(-1)).toBe(expected)
        exchange.abort(new TransportError('MM_ABORTED', 'given up'))
      }
    })
  })
})
