import { describe, expect, it } from 'vitest'
import { TransportError } from '../../../src/base/errors.ts'
import {
  type FailedTry,
  isPathDead,
  isTooEarly,
  judgeReplay,
  tryTimeout,
} from '../../../src/exchange/replay-rules.ts'

const failed = (over: Partial<FailedTry>): FailedTry => ({
  error: new TransportError('MM_CONNECTION_CLOSED', 'closed', { processed: 'unknown' }),
  method: 'GET',
  isBodyReplayable: true,
  beforeLease: false,
  reused: true,
  isConnectionEnding: false,
  isPathDead: false,
  isLostInMove: false,
  isCallerCommitted: false,
  retries: 0,
  maxRetries: 2,
  maxUnanswered: 6,
  wasEarly: false,
  hasOtherLane: false,
  ...over,
})

describe('judgeReplay', () => {
  it('replays a try that took too long out of the budget, up to maxRetries times', () => {
    const error = tryTimeout(50)
    const verdict = { replay: true, reason: 'try-timeout', cost: 'budgeted', wantsFresh: false }
    expect(judgeReplay(failed({ error }))).toEqual(verdict)
    expect(judgeReplay(failed({ error, hasOtherLane: true, retries: 1 }))).toEqual(verdict)
    expect(judgeReplay(failed({ error, retries: 2 }))).toEqual({ replay: false })
  })

  it('replays an idempotent request whose reused connection died without an answer, the first time for free', () => {
    expect(judgeReplay(failed({}))).toEqual({
      replay: true,
      reason: 'stale-connection',
      cost: 'free',
      wantsFresh: true,
    })
    expect(judgeReplay(failed({ retries: 1 }))).toEqual({
      replay: true,
      reason: 'stale-connection',
      cost: 'budgeted',
      wantsFresh: true,
    })
    expect(judgeReplay(failed({ retries: 5 }))).toMatchObject({ replay: true })
    expect(judgeReplay(failed({ retries: 6 }))).toEqual({ replay: false })
  })

  it.each(['POST', 'PATCH', 'CONNECT', 'get'])('does not replay %s after bytes were written', method => {
    expect(judgeReplay(failed({ method }))).toEqual({ replay: false })
  })

  it.each(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'])('replays %s', method => {
    expect(judgeReplay(failed({ method })).replay).toBe(true)
  })

  it('replays a request when a new connection ended as well, under the budget from the first time on', () => {
    const again = { replay: true, reason: 'unanswered', cost: 'budgeted', wantsFresh: false } as const
    for (let retries = 0; retries < 6; retries += 1)
      expect(judgeReplay(failed({ reused: false, retries })), `${retries}`).toEqual(again)
    expect(judgeReplay(failed({ reused: false, retries: 6 }))).toEqual({ replay: false })
  })

  it.each([
    { maxRetries: 0, maxUnanswered: 6, most: 0 },
    { maxRetries: 2, maxUnanswered: 0, most: 2 },
    { maxRetries: 2, maxUnanswered: 1, most: 2 },
    { maxRetries: 9, maxUnanswered: 6, most: 9 },
  ])('uses the larger limit, and none where there are no retries: %o', ({ most, ...limits }) => {
    for (const reused of [true, false])
      for (const retries of [0, Math.max(0, most - 1), most])
        expect(judgeReplay(failed({ ...limits, reused, retries })).replay).toBe(retries < most)
  })

  it.each(['POST', 'PATCH', 'CONNECT'])('never replays %s after a new connection ended', method => {
    expect(judgeReplay(failed({ reused: false, method }))).toEqual({ replay: false })
  })

  it('does not replay an answer that broke off, on a new connection either', () => {
    const error = new TransportError('MM_CONNECTION_CLOSED', 'x', { processed: 'yes' })
    expect(judgeReplay(failed({ reused: false, error }))).toEqual({ replay: false })
  })

  it('replays what is known unprocessed whatever the method, once even when retries are switched off', () => {
    const error = new TransportError('MM_REFUSED', 'refused', { processed: 'no' })
    expect(judgeReplay(failed({ error, method: 'POST', reused: false, maxRetries: 0 }))).toEqual({
      replay: true,
      reason: 'unprocessed',
      cost: 'free',
      wantsFresh: false,
    })
    expect(judgeReplay(failed({ error, method: 'POST', retries: 1, maxRetries: 0 }))).toEqual({
      replay: false,
    })
    expect(judgeReplay(failed({ error, method: 'POST', retries: 1 }))).toEqual({
      replay: true,
      reason: 'unprocessed',
      cost: 'budgeted',
      wantsFresh: false,
    })
  })

  it('never replays once the caller saw a part of an answer, or when the body is gone', () => {
    const error = new TransportError('MM_REFUSED', 'refused', { processed: 'no' })
    expect(judgeReplay(failed({ error, isCallerCommitted: true }))).toEqual({ replay: false })
    expect(judgeReplay(failed({ error, isBodyReplayable: false }))).toEqual({ replay: false })
    expect(judgeReplay(failed({ isCallerCommitted: true }))).toEqual({ replay: false })
  })

  it('allows any connection after a refusal, and a new one after a reused connection that was found dead', () => {
    const refused = new TransportError('MM_REFUSED', 'above the last id of GOAWAY', { processed: 'no' })
    const dead = new TransportError('MM_CONNECTION_CLOSED', 'the peer had closed', { processed: 'no' })
    for (const reused of [true, false]) {
      expect(judgeReplay(failed({ error: refused, reused }))).toMatchObject({ wantsFresh: false })
      expect(judgeReplay(failed({ error: dead, reused }))).toMatchObject({ wantsFresh: reused })
    }
  })

  it('uses a new connection for what an unresponsive one gave back unsent, whether or not that had carried a request before', () => {
    const unsent = new TransportError('MM_CONNECTION_CLOSED', 'takes no more requests', { processed: 'no' })
    const gone = { error: unsent, method: 'POST', reused: false, isPathDead: true }
    expect(judgeReplay(failed(gone))).toMatchObject({ replay: true, cost: 'free', wantsFresh: true })
  })

  it('replays every one of many that one GOAWAY refused, each for free the first time', () => {
    const refused = new TransportError('MM_REFUSED', 'above the last id of GOAWAY', { processed: 'no' })
    const verdicts = ['GET', 'POST', 'PATCH', 'CONNECT'].map(method =>
      judgeReplay(failed({ error: refused, method, maxRetries: 0 })),
    )
    const again = { error: refused, retries: 1, maxRetries: 2 }
    expect(judgeReplay(failed({ ...again, isConnectionEnding: true }))).toMatchObject({ cost: 'free' })
    expect(judgeReplay(failed({ ...again, isConnectionEnding: false }))).toMatchObject({ cost: 'budgeted' })
    expect(judgeReplay(failed({ ...again, isConnectionEnding: false, retries: 2 }))).toEqual({
      replay: false,
    })
    for (const verdict of verdicts) expect(verdict).toMatchObject({ replay: true, cost: 'free' })
  })

  it('leaves an upgrade that the connection cannot carry to its detour', () => {
    const error = new TransportError('MM_UPGRADE_UNAVAILABLE', 'no extended CONNECT', { processed: 'no' })
    expect(judgeReplay(failed({ error }))).toEqual({ replay: false })
  })

  it.each(['MM_STREAM_RESET', 'MM_EXCESSIVE_LOAD'] as const)(
    'does not replay %s, which may have been processed',
    code => {
      const error = new TransportError(code, 'x', { processed: 'unknown' })
      expect(judgeReplay(failed({ error }))).toEqual({ replay: false })
    },
  )

  it('never replays a request after our own faults', () => {
    expect(judgeReplay(failed({ error: new TransportError('MM_ABORTED', 'given up') }))).toEqual({
      replay: false,
    })
    expect(
      judgeReplay(failed({ error: new TransportError('MM_QUEUE_FULL', 'full'), beforeLease: true })),
    ).toEqual({ replay: false })
  })

  it.each([
    ['MM_CONNECT_REFUSED', true],
    ['MM_CONNECT_FAILED', true],
    ['MM_CONNECTION_CLOSED', true],
    ['MM_CONNECTION_RESET', true],
    ['MM_CONNECT_TIMEOUT', false],
    ['MM_TLS_CERTIFICATE', false],
    ['MM_DNS_FAILED', false],
  ] as const)('tries again after %s: %s', (code, replay) => {
    const verdict = judgeReplay(
      failed({ error: new TransportError(code, 'x'), beforeLease: true, reused: false }),
    )
    expect(verdict).toEqual(
      replay
        ? { replay: true, reason: 'connect-failed', cost: 'budgeted', wantsFresh: false }
        : { replay: false },
    )
  })

  it('tries again whatever the method where connections end as they open, as often as where they end without an answer', () => {
    const opened = { beforeLease: true, reused: false, method: 'POST' } as const
    expect(judgeReplay(failed({ ...opened, retries: 5 }))).toMatchObject({ reason: 'connect-failed' })
    expect(judgeReplay(failed({ ...opened, retries: 6 }))).toEqual({ replay: false })
    const refused = new TransportError('MM_CONNECT_REFUSED', 'x')
    expect(judgeReplay(failed({ ...opened, error: refused, retries: 2 }))).toEqual({ replay: false })
  })

  it('does not replay time-outs or protocol errors after the request was written', () => {
    for (const code of ['MM_HEADERS_TIMEOUT', 'MM_PROTOCOL_ERROR', 'MM_BODY_TIMEOUT'] as const) {
      expect(judgeReplay(failed({ error: new TransportError(code, 'x', { processed: 'unknown' }) }))).toEqual(
        { replay: false },
      )
    }
  })

  describe('for a request that a GOAWAY left over', () => {
    const ending = (over: Partial<FailedTry>) =>
      judgeReplay(
        failed({
          error: new TransportError('MM_REFUSED', 'above the last id', { processed: 'no' }),
          isConnectionEnding: true,
          maxRetries: 0,
          method: 'POST',
          ...over,
        }),
      )
    const again = { replay: true, reason: 'unprocessed', cost: 'free', wantsFresh: false } as const

    it('replays sixteen times for free, whatever the options say, and no more', () => {
      for (let retries = 0; retries < 16; retries += 1)
        expect(ending({ retries }), `${retries}`).toEqual(again)
      expect(ending({ retries: 16 })).toEqual({ replay: false })
    })

    it('replays more often where the options say so', () => {
      expect(ending({ retries: 16, maxRetries: 17 })).toEqual(again)
      expect(ending({ retries: 17, maxRetries: 17 })).toEqual({ replay: false })
    })

    it('replays once where the connection goes on, and then by the options and the budget', () => {
      const goesOn = { isConnectionEnding: false } as const
      expect(ending(goesOn)).toEqual(again)
      expect(ending({ ...goesOn, retries: 1 })).toEqual({ replay: false })
      expect(ending({ ...goesOn, retries: 1, maxRetries: 2 })).toEqual({ ...again, cost: 'budgeted' })
    })
  })

  describe('for a request that broke over HTTP/3 where there is TCP', () => {
    const overHttp3 = (over: Partial<FailedTry>) =>
      judgeReplay(failed({ hasOtherLane: true, reused: false, maxRetries: 0, ...over }))
    const there = { replay: true, reason: 'http3-failed', cost: 'free', wantsFresh: false } as const

    it.each([
      'MM_CONNECTION_CLOSED',
      'MM_CONNECTION_RESET',
      'MM_PROTOCOL_ERROR',
      'MM_TLS_CERTIFICATE',
    ] as const)('replays it over TCP, for free and whatever the options say: %s', code => {
      expect(overHttp3({ error: new TransportError(code, 'x', { processed: 'unknown' }) })).toEqual(there)
    })

    it('replays it over TCP when its connection was reused, too, since over HTTP/3 that is no race with an idle close', () => {
      expect(overHttp3({ reused: true, maxRetries: 2 })).toEqual(there)
    })

    it('replays it over TCP also after an earlier replay, then by the options and the budget', () => {
      expect(overHttp3({ retries: 1, maxRetries: 2 })).toEqual({ ...there, cost: 'budgeted' })
      expect(overHttp3({ retries: 6, maxRetries: 2 })).toEqual({ replay: false })
    })

    it.each<[string, Partial<FailedTry>]>([
      ['a second time where the options allow none', { retries: 1 }],
      ['a POST', { method: 'POST' }],
      ['without TCP', { hasOtherLane: false }],
      [
        'a time-out of its own',
        { error: new TransportError('MM_HEADERS_TIMEOUT', 'x', { processed: 'unknown' }) },
      ],
      [
        'a stream that was reset',
        { error: new TransportError('MM_STREAM_RESET', 'x', { processed: 'unknown' }) },
      ],
      ['what the caller has seen a part of', { isCallerCommitted: true }],
      ['a body that is gone', { isBodyReplayable: false }],
    ])('does not replay %s', (_what, over) => {
      expect(overHttp3(over)).toEqual({ replay: false })
    })
  })

  it('treats a dead path like a stale connection, also under its first request', () => {
    const error = new TransportError('MM_CONNECTION_CLOSED', '', { processed: 'unknown' })
    const first = { reused: false, isPathDead: true, error }
    expect(judgeReplay(failed(first))).toMatchObject({
      replay: true,
      reason: 'stale-connection',
      cost: 'free',
    })
    expect(judgeReplay(failed({ ...first, method: 'POST' }))).toEqual({ replay: false })
    expect(judgeReplay(failed({ ...first, isPathDead: false }))).toMatchObject({ cost: 'budgeted' })
    expect(isPathDead('path-failed') && isPathDead('ping-failed') && isPathDead('unresponsive')).toBe(true)
    expect(isPathDead('network-error') || isPathDead(undefined)).toBe(false)
  })

  it('sends again what a peer broke off by an error of the connection, once that had migrated', () => {
    const error = new TransportError('MM_PROTOCOL_ERROR', '', { processed: 'unknown' })
    const lost = { reused: true, isLostInMove: true, error }
    expect(judgeReplay(failed(lost))).toMatchObject({
      replay: true,
      reason: 'stale-connection',
      cost: 'free',
    })
    expect(judgeReplay(failed({ ...lost, method: 'POST' }))).toEqual({ replay: false })
    expect(judgeReplay(failed({ ...lost, isLostInMove: false }))).toEqual({ replay: false })
    const seen = new TransportError('MM_PROTOCOL_ERROR', '', { processed: 'yes' })
    expect(judgeReplay(failed({ ...lost, error: seen }))).toEqual({ replay: false })
  })

  describe('for a request that left in early data', () => {
    const early = { wasEarly: true, reused: false, maxRetries: 0 }

    it('replays for free also where another request had the connection first', () => {
      const error = new TransportError('MM_CONNECTION_RESET', '', { processed: 'unknown' })
      expect(judgeReplay(failed({ ...early, reused: true, error }))).toMatchObject({
        replay: true,
        reason: 'early-data-lost',
      })
    })

    it('does not replay for free what was held back until its own time ran out', () => {
      const error = new TransportError('MM_HEADERS_TIMEOUT', '', { processed: 'no' })
      expect(judgeReplay(failed({ error }))).toEqual({ replay: false })
    })

    it.each([
      'MM_CONNECTION_CLOSED',
      'MM_CONNECTION_RESET',
      'MM_PROTOCOL_ERROR',
      'MM_TLS_CERTIFICATE',
    ] as const)('replays, for free and whatever the options say, when its connection broke: %s', code => {
      const error = new TransportError(code, 'x', { processed: 'unknown' })
      expect(judgeReplay(failed({ ...early, error }))).toEqual({
        replay: true,
        reason: 'early-data-lost',
        cost: 'free',
        wantsFresh: false,
      })
    })

    it.each(['MM_HEADERS_TIMEOUT', 'MM_STREAM_RESET', 'MM_HEADER_LIMIT'] as const)(
      'does not replay what failed by itself: %s',
      code => {
        const error = new TransportError(code, 'x', { processed: 'unknown' })
        expect(judgeReplay(failed({ ...early, error }))).toEqual({ replay: false })
      },
    )

    it('does not replay once an answer had begun, or the caller had given up', () => {
      const begun = new TransportError('MM_CONNECTION_CLOSED', 'x', { processed: 'yes' })
      expect(judgeReplay(failed({ ...early, error: begun }))).toEqual({ replay: false })
      expect(judgeReplay(failed({ ...early, isCallerCommitted: true }))).toEqual({ replay: false })
    })
  })
})

describe('isTooEarly()', () => {
  it('is true for a 425 to a request that we sent in early data, unless it came to us in early data', () => {
    expect(isTooEarly(425, true, ['accept', '*/*'])).toBe(true)
    expect(isTooEarly(425, false, [])).toBe(false)
    expect(isTooEarly(429, true, [])).toBe(false)
    expect(isTooEarly(425, true, ['early-data', '1'])).toBe(false)
  })
})
