import { expect, it } from 'vitest'
import { slowRequestText } from '../../../../bench/soak/slow-request-text.ts'

const SLOW = {
  origin: 'closing',
  id: 'closing-1-2',
  method: 'GET',
  startedAt: Date.parse('2026-01-01T00:00:10.000Z'),
  tookMs: 2_100,
  leftMs: 1.6,
  isNew: true,
  outcome: 'answered',
} as const

it('the text of a slow request says where its time went, with its tries and connects', () => {
  const text = slowRequestText(SLOW, {
    time: '2026-01-01T00:00:12.050Z',
    protocol: 'http/1.1',
    connection: 9,
    reused: false,
    retries: 1,
    queueMs: 1_900,
    ttfbMs: 50,
    totalMs: 2_000,
    tries: [
      {
        leasedAtMs: 0,
        failedAtMs: 40,
        lane: 'tcp',
        protocol: 'http/1.1',
        connectionId: 7,
        reused: true,
        code: 'MM_CONNECTION_RESET',
        reason: 'stale-connection',
      },
    ],
    attempts: [
      {
        protocol: 'http/1.1',
        endpoint: '127.0.0.1:1',
        startedAtMs: 0,
        outcome: 'connected',
        because: 'first of 1',
      },
    ],
  })
  expect(text).toEqual([
    ' 2100 ms  closing GET closing-1-2 at 00:00:10.000: answered',
    '          2 ms until it left the client on a new connection, 50 ms until it was dispatched, 2000 ms there (waiting for connections 1900 ms, first byte 50 ms, body at most 50 ms, http/1.1#9 new), 50 ms behind it',
    '          tried: http/1.1#7 reused at 0 ms, failed at 40 ms: MM_CONNECTION_RESET, sent again: stale-connection',
    '          connect: http/1.1 127.0.0.1:1 at 0 ms connected (first of 1)',
  ])
})

it('the text of a slow request says that the connector was quick where it has no line', () => {
  expect(slowRequestText(SLOW, undefined).at(-1)).toContain(
    '2 ms until it left the client on a new connection, not slow within the connector',
  )
  expect(slowRequestText({ ...SLOW, leftMs: undefined }, undefined).at(-1)).toContain('never left the client')
})
