import type { Logger } from 'pino'
import type { EarlierTry, ExchangeEnded } from '../../entry/events.ts'
import type { Observer } from '../../index.ts'
import type { OriginNames } from './event-log.ts'
import { duration, withoutQuery } from './event-log.ts'

/** A request may have waited for many connects: a line shows the last ones. */
const MAX_SHOWN = 8

/**
 * Logs each request that took `slowRequestMs` or longer, with what it waited for: one line of level warn.
 *
 *   shop GET /cart: slow request: 200 after 13.9s: queue 13.5s, ttfb 120ms; sent again 1 time:
 *   stale-connection after 40ms on http/1.1#7 (MM_CONNECTION_RESET)
 *
 * Undefined: no line can come of it.
 */
export function slowRequestLog(
  logger: Logger,
  originName: OriginNames,
  slowRequestMs: number,
): Observer | undefined {
  if (slowRequestMs === 0 || !logger.isLevelEnabled('warn')) return undefined
  return event => {
    if (event.type === 'exchange-ended' && event.totalMs >= slowRequestMs)
      logSlow(logger, event, originName(event.origin))
  }
}

function logSlow(logger: Logger, event: ExchangeEnded, origin: string): void {
  const { method, status, lane, protocol, connectionId, reused, retries, error } = event
  const { queueMs, ttfbMs, totalMs, responseBytes, stallMs, earlierTries = [], attempts = [] } = event
  const path = withoutQuery(event.path)
  const outcome = error === undefined ? String(status) : `${error.code} ${error.message}`
  const tries = earlierTries.slice(-MAX_SHOWN)
  logger.warn(
    {
      origin,
      method,
      path,
      status,
      lane,
      protocol,
      connection: connectionId,
      reused,
      retries,
      responseBytes,
      queueMs,
      ttfbMs,
      totalMs,
      ...(stallMs !== undefined && { stallMs }),
      ...(error && { code: error.code }),
      tries,
      attempts: attempts.slice(-MAX_SHOWN),
    },
    `${origin} ${method} ${path}: slow request: ${outcome} after ${duration(totalMs)}: queue ${duration(queueMs)}, ttfb ${duration(ttfbMs)}${triesText(retries, tries)}`,
  )
}

function triesText(retries: number, tries: readonly EarlierTry[]): string {
  if (retries === 0) return ''
  return `; sent again ${retries} ${retries === 1 ? 'time' : 'times'}: ${tries.map(tryText).join(', ')}`
}

function tryText({ reason, failedAtMs, protocol, connectionId, code }: EarlierTry): string {
  const where = protocol === undefined ? 'without a connection' : `on ${protocol}#${connectionId}`
  return `${reason} after ${duration(failedAtMs)} ${where} (${code})`
}
