import { describe, expect, it } from 'vitest'
import { TransportError } from '../../../src/errors.ts'
import { type FailedTry, judgeReplay } from '../../../src/transport/replay-rules.ts'

const failed = (over: Partial<FailedTry>): FailedTry => ({
  error: new TransportError('MM_CONNECTION_CLOSED', 'closed', { processed: 'unknown' }),
  method: 'GET',
  isBodyReplayable: true,
  beforeLease: false,
  reused: true,
  isCallerCommitted: false,
  retries: 0,
  maxRetries: 2,
  ...over,
})

describe('judgeReplay', () => {
  it('replays an idempotent request whose reused connection died without an answer, the first time for free', () => {
    expect(judgeReplay(failed({}))).toEqual({ replay: true, reason: 'stale-connection', cost: 'free' })
    expect(judgeReplay(failed({ retries: 1 }))).toEqual({
      replay: true,
      reason: 'stale-connection',
      cost: 'budgeted',
    })
    expect(judgeReplay(failed({ retries: 2 }))).toEqual({ replay: false })
  })

  it.each(['POST', 'PATCH', 'CONNECT', 'get'])('does not replay %s after bytes were written', method => {
    expect(judgeReplay(failed({ method }))).toEqual({ replay: false })
  })

  it.each(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'])('replays %s', method => {
    expect(judgeReplay(failed({ method })).replay).toBe(true)
  })

  it('does not replay when a fresh connection died: the origin may be crashing on the request', () => {
    expect(judgeReplay(failed({ reused: false }))).toEqual({ replay: false })
  })

  it('replays what is known unprocessed whatever the method, once even when retries are switched off', () => {
    const error = new TransportError('MM_REFUSED', 'refused', { processed: 'no' })
    expect(judgeReplay(failed({ error, method: 'POST', reused: false, maxRetries: 0 }))).toEqual({
      replay: true,
      reason: 'unprocessed',
      cost: 'free',
    })
    expect(judgeReplay(failed({ error, method: 'POST', retries: 1, maxRetries: 0 }))).toEqual({
      replay: false,
    })
    expect(judgeReplay(failed({ error, method: 'POST', retries: 1 }))).toEqual({
      replay: true,
      reason: 'unprocessed',
      cost: 'budgeted',
    })
  })

  it('never replays once the caller saw a part of an answer, or when the body is gone', () => {
    const error = new TransportError('MM_REFUSED', 'refused', { processed: 'no' })
    expect(judgeReplay(failed({ error, isCallerCommitted: true }))).toEqual({ replay: false })
    expect(judgeReplay(failed({ error, isBodyReplayable: false }))).toEqual({ replay: false })
    expect(judgeReplay(failed({ isCallerCommitted: true }))).toEqual({ replay: false })
  })

  it('never replays our own faults', () => {
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
    ['MM_CONNECT_TIMEOUT', false],
    ['MM_TLS_CERTIFICATE', false],
    ['MM_DNS_FAILED', false],
  ] as const)('tries again after %s: %s', (code, replay) => {
    const verdict = judgeReplay(
      failed({ error: new TransportError(code, 'x'), beforeLease: true, reused: false }),
    )
    expect(verdict).toEqual(
      replay ? { replay: true, reason: 'connect-failed', cost: 'budgeted' } : { replay: false },
    )
  })

  it('does not replay time-outs or protocol errors after the request was written', () => {
    for (const code of ['MM_HEADERS_TIMEOUT', 'MM_PROTOCOL_ERROR', 'MM_BODY_TIMEOUT'] as const) {
      expect(judgeReplay(failed({ error: new TransportError(code, 'x', { processed: 'unknown' }) }))).toEqual(
        { replay: false },
      )
    }
  })
})
