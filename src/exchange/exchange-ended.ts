import type { TransportError } from '../base/errors.ts'
import type { EarlierTry, ExchangeEnded } from '../base/events/observer.ts'
import type { ExchangeRequest, RequestBody } from '../base/http/exchange.ts'
import type { LaneName } from '../base/http/lane.ts'
import type { Origin } from '../base/http/origin.ts'
import type { DispatchHandle } from './dispatch.ts'

/** What is notified of its request. */
type EndedRequest = Pick<ExchangeRequest, 'method' | 'path' | 'body'>

/** What the handle of an exchange does not tell. */
export interface ExchangeEnd {
  readonly origin: Origin
  readonly request: EndedRequest
  /** 0: there was no answer. */
  readonly status: number
  readonly lane: LaneName
  readonly responseBytes: number
  readonly stallMs: number | undefined
  readonly totalMs: number
  readonly earlierTries: readonly EarlierTry[] | undefined
  readonly error: TransportError | undefined
}

/** An exchange that has ended, for those who observe. */
export function exchangeEnded(exchange: DispatchHandle, end: ExchangeEnd): ExchangeEnded {
  const { connection, reused, retries, wasEarly, queueMs, ttfbMs, attempts } = exchange
  const { request, ...facts } = end
  const { method, path, body } = request
  return {
    type: 'exchange-ended',
    ...facts,
    method,
    path,
    protocol: connection?.protocol,
    connectionId: connection?.id ?? 0,
    reused,
    retries,
    attempts,
    requestBytes: bodyBytes(body),
    earlyData: wasEarly ? (connection?.handshake.earlyData ?? 'none') : 'none',
    queueMs,
    ttfbMs,
  }
}

/** The same of one that got no further than the door: its origin has no pool, and can have none now. */
export function refusedExchange(
  exchange: DispatchHandle,
  origin: Origin,
  request: EndedRequest,
  error: TransportError,
): ExchangeEnded {
  return exchangeEnded(exchange, {
    origin,
    request,
    status: 0,
    lane: 'tcp',
    responseBytes: 0,
    stallMs: undefined,
    totalMs: 0,
    earlierTries: undefined,
    error,
  })
}

function bodyBytes(body: RequestBody): number | undefined {
  if (body === null) return 0
  return body instanceof Uint8Array ? body.length : (body.writtenBytes ?? body.length)
}
