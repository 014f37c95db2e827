import { beforeEach, describe, expect, it } from 'vitest'
import { parseOrigin } from '../../../src/base/http/origin.ts'
import { DEFAULT_HEDGE_OPTIONS } from '../../../src/base/options/hedge-options.ts'
import { Admission } from '../../../src/origin/admission/admission.ts'
import { Hedging } from '../../../src/origin/hedging/hedging.ts'
import { SettingsBook } from '../../../src/origin/origin-settings.ts'
import type { FakeController } from '../api/fake-controller.ts'
import { died, FakeExchangeWorld } from './fake-exchange-world.ts'

/** More than the quantile of the latencies that came before. */
const SLOW_MS = 25

describe('a request that is slower than most', () => {
  let world: FakeExchangeWorld
  let hedging: Hedging
  beforeEach(() => {
    world = new FakeExchangeWorld()
    hedging = Hedging.of({ ...DEFAULT_HEDGE_OPTIONS, quantile: 0.95, minDelayMs: 20 }, world.clock)!
    for (let i = 0; i < 100; i += 1) hedging.onAnswered(1, world.clock.now())
    world.hedging = hedging
  })

  type ExchangeArgs = Parameters<FakeExchangeWorld['exchange']>
  const slow = (over: ExchangeArgs[0] = {}, options: ExchangeArgs[1] = {}) => {
    const { exchange, handler } = world.exchange(over, options)
    const first = world.lease(exchange, { id: 3, reused: true })
    const ofFirst = world.opened!.handler
    world.clock.advance(SLOW_MS)
    return { exchange, handler, first, ofFirst }
  }
  const sent = (): { second: FakeController; handler: typeof world.opened } => {
    const second = world.lease(world.second!, { id: 4 })
    return { second, handler: world.opened }
  }

  it('is sent a second time, away from the first connection, and the loser is cancelled', () => {
    const { exchange, handler, first } = slow()
    expect(world.log).toEqual(['acquire', 'acquire second again'])
    expect(world.second?.avoids?.id).toBe(3)
    const { second } = sent()
    const { handler: ofSecond } = world.opened!
    ofSecond.onResponseStart(second, 200, [], '')
    ofSecond.onResponseEnd(second, [])
    expect(first.log).toEqual(['abort MM_ABORTED'])
    expect(handler.log).toEqual(['request-start', 'request-start', 'response-start 200', 'response-end'])
    expect(world.log).toEqual(['acquire', 'acquire second again', 'retry hedged'])
    expect([exchange.retries, exchange.connection?.id]).toEqual([1, 4])
    expect(hedging.figures(world.clock.now()).outcomes).toEqual({ won: 1, lost: 0, failed: 0 })
  })

  it('keeps to the first copy where that is answered first', () => {
    const { first, ofFirst, handler } = slow()
    const { second } = sent()
    ofFirst.onResponseStart(first, 200, [], '')
    expect(second.log).toEqual(['abort MM_ABORTED'])
    ofFirst.onResponseEnd(first, [])
    expect(handler.log).toEqual(['request-start', 'response-start 200', 'response-end'])
    expect(hedging.figures(0).outcomes).toEqual({ won: 0, lost: 1, failed: 0 })
  })

  it('waits on where the second copy fails or gets a retryable answer, and is not sent a third time', () => {
    for (const end of ['503', 'reset'] as const) {
      world.log.length = 0
      const { first, ofFirst, handler } = slow()
      const { second } = sent()
      const { handler: ofSecond } = world.opened!
      if (end === '503') ofSecond.onResponseStart(second, 503, [], '')
      else ofSecond.onResponseError(second, died())
      world.clock.advance(10 * SLOW_MS)
      expect(world.log).toEqual(['acquire', 'acquire second again'])
      ofFirst.onResponseStart(first, 200, [], '')
      ofFirst.onResponseEnd(first, [])
      expect(handler.log).toEqual(['request-start', 'response-start 200', 'response-end'])
      for (let i = 0; i < 20; i += 1) hedging.onRequest()
    }
    expect(hedging.figures(0).outcomes).toEqual({ won: 0, lost: 0, failed: 2 })
  })

  it('gets the answer of the second copy where the first one fails meanwhile, even a retryable answer', () => {
    const { first, ofFirst, handler } = slow()
    const { second } = sent()
    const { handler: ofSecond } = world.opened!
    ofFirst.onResponseError(first, died())
    expect(handler.log).toEqual(['request-start'])
    ofSecond.onResponseStart(second, 503, [], '')
    ofSecond.onResponseEnd(second, [])
    expect(handler.log.slice(1)).toEqual(['request-start', 'response-start 503', 'response-end'])
  })

  it('fails with the error of the first copy where both fail', () => {
    const { first, ofFirst, handler } = slow({}, { maxRetries: 0, maxUnanswered: 0 })
    const { second } = sent()
    const { handler: ofSecond } = world.opened!
    ofFirst.onResponseError(first, died('unknown', 'MM_STREAM_RESET'))
    ofSecond.onResponseError(second, died())
    expect(handler.log).toEqual(['request-start', 'response-error MM_STREAM_RESET unknown'])
  })

  it.each<[string, ExchangeArgs[0]]>([
    ['a POST', { method: 'POST' }],
    ['a DELETE', { method: 'DELETE' }],
    ['a request with a body', { body: Buffer.from('x') }],
  ])('is not sent twice if it is %s', (_what, over) => {
    slow(over)
    expect(world.log).toEqual(['acquire'])
  })

  it('is not sent twice while others wait for a connection', () => {
    world.waiters = 1
    slow()
    expect(world.log).toEqual(['acquire'])
  })

  it('is not sent twice without a budget, nor while a breaker is open', () => {
    hedging.take(world.clock.now())
    slow()
    expect(world.log).toEqual(['acquire'])
    for (let i = 0; i < 100; i += 1) hedging.onRequest()
    const settings = new SettingsBook({ defaults: { breakers: { maxRetries: 1 } } }).settingsFor(
      parseOrigin('https://shop.test'),
    )
    const admission = Admission.of(settings, 0, () => {})!
    slow({}, { admission })
    slow({}, { admission })
    expect(world.log.filter(line => line.startsWith('acquire second'))).toHaveLength(1)
  })

  it('counts as a sample of what it took since it was first sent', () => {
    const { second } = (slow(), sent())
    const { handler: ofSecond } = world.opened!
    world.clock.advance(5)
    ofSecond.onResponseStart(second, 200, [], '')
    for (let i = 0; i < 10; i += 1) hedging.onAnswered(1_000, world.clock.now())
    expect(hedging.figures(world.clock.now()).delayMs).toBeGreaterThan(900)
  })
})

describe('a request that is sent again', () => {
  it.each([
    ['goes to another endpoint after an answer of 503', 503, undefined, 3],
    ['goes wherever there is a connection after its own has closed', undefined, died(), undefined],
  ] as const)('%s', (_what, status, error, avoids) => {
    const world = new FakeExchangeWorld()
    const { exchange } = world.exchange({}, { statuses: [503], maxRetries: 2, budgetMin: 10 })
    const first = world.lease(exchange, { id: 3, reused: true })
    expect(exchange.avoids).toBeUndefined()
    const { handler } = world.opened!
    if (status !== undefined) {
      handler.onResponseStart(first, status, ['content-length', '0'], '')
      handler.onResponseEnd(first, [])
    } else if (error !== undefined) handler.onResponseError(first, error)
    expect(exchange.avoids?.id).toBe(avoids)
  })
})
