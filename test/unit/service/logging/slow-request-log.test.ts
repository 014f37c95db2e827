import { expect, it } from 'vitest'
import type { EarlierTry, ExchangeEnded } from '../../../../src/entry/events.ts'
import { parseOrigin, TransportError } from '../../../../src/index.ts'
import { DEFAULT_LOG, type LogSettings } from '../../../../src/service/config/service-settings.ts'
import { createLogger } from '../../../../src/service/logging/service-log.ts'
import { slowRequestLog } from '../../../../src/service/logging/slow-request-log.ts'

const SHOP = parseOrigin('https://origin.example')

function setUp(slowRequestMs: number, settings: Partial<LogSettings> = {}) {
  const lines: string[] = []
  const logger = createLogger(
    { ...DEFAULT_LOG, level: 'warn', slowRequestMs, ...settings },
    { write: line => lines.push(line) },
  )
  const observe = slowRequestLog(logger, () => 'shop', slowRequestMs)
  return { observe, lines, text: () => lines.map(line => line.replace(/^\S+ /, '').trimEnd()) }
}

function ended(changes: Partial<ExchangeEnded> = {}): ExchangeEnded {
  return {
    type: 'exchange-ended',
    origin: SHOP,
    method: 'GET',
    path: '/cart?token=secret',
    status: 200,
    protocol: 'http/1.1',
    lane: 'tcp',
    connectionId: 9,
    reused: false,
    retries: 0,
    requestBytes: 0,
    responseBytes: 10,
    earlyData: 'none',
    stallMs: undefined,
    queueMs: 800,
    ttfbMs: 120,
    totalMs: 1_000,
    error: undefined,
    ...changes,
  }
}

function earlierTry(changes: Partial<EarlierTry> = {}): EarlierTry {
  return {
    leasedAtMs: 0,
    failedAtMs: 40,
    lane: 'tcp',
    protocol: 'http/1.1',
    connectionId: 7,
    reused: true,
    code: 'MM_CONNECTION_RESET',
    reason: 'stale-connection',
    ...changes,
  }
}

it('the log of slow requests has those that took its bound or longer, and no other', () => {
  const { observe, text } = setUp(1_000)
  observe?.(ended({ totalMs: 999.9 }))
  expect(text()).toEqual([])
  observe?.(ended())
  expect(text()).toEqual(['warn  shop GET /cart: slow request: 200 after 1s: queue 800ms, ttfb 120ms'])
})

it('the log of slow requests does not exist with a bound of 0, or where warnings are not logged', () => {
  expect(setUp(0).observe).toBeUndefined()
  expect(setUp(1_000, { level: 'error' }).observe).toBeUndefined()
})

it('the log of slow requests reports each try before the last, and how it ended', () => {
  const { observe, text } = setUp(1_000)
  const noConnection = earlierTry({
    leasedAtMs: undefined,
    failedAtMs: 60,
    protocol: undefined,
    code: 'MM_CONNECT_REFUSED',
    reason: 'connect-failed',
  })
  const error = new TransportError('MM_QUEUE_TIMEOUT', 'no connection became free')
  observe?.(ended({ retries: 2, earlierTries: [earlierTry(), noConnection], status: 0, error }))
  expect(text()[0]).toContain('slow request: MM_QUEUE_TIMEOUT no connection became free after 1s')
  expect(text()[0]).toContain(
    'sent again 2 times: stale-connection after 40ms on http/1.1#7 (MM_CONNECTION_RESET), connect-failed after 60ms without a connection (MM_CONNECT_REFUSED)',
  )
})

it('the log of slow requests has everything as fields, the last 8 tries and connects at the most, and never the query', () => {
  const { observe, lines } = setUp(1_000, { format: 'json' })
  const tries = Array.from({ length: 9 }, (_, i) => earlierTry({ connectionId: i }))
  const attempts = Array.from({ length: 9 }, (_, i) => ({
    protocol: 'http/1.1' as const,
    endpoint: `192.0.2.${i}:443`,
    startedAtMs: i,
    outcome: 'failed' as const,
    because: 'first of 9',
  }))
  observe?.(ended({ retries: 9, earlierTries: tries, attempts }))
  const line = JSON.parse(lines[0] ?? '')
  expect(line).toMatchObject({ origin: 'shop', path: '/cart', connection: 9, queueMs: 800, retries: 9 })
  expect(line.tries).toEqual(JSON.parse(JSON.stringify(tries.slice(1))))
  expect(line.attempts).toEqual(attempts.slice(1))
  expect(lines[0]).not.toContain('secret')
})
