import type { TransportError } from '../errors.ts'
import type { ExchangeRequest } from '../exchange.ts'
import type { LaneName } from '../lane.ts'
import type { ExchangeEnded } from '../observer.ts'
import type { Origin } from '../origin.ts'
import type { DispatchHandle } from './api.ts'

/** What the handle of an exchange does not tell. */
export interface ExchangeEnd {
  readonly origin: Origin
  readonly request: ExchangeRequest
  /** 0: there was no answer. */
  readonly status: number
  readonly lane: LaneName
  readonly responseBytes: number
  readonly stallMs: number | undefined
  readonly totalMs: number
  readonly error: TransportError | undefined
}

/** An exchange that has ended, for those who observe. */
export function exchangeEnded(exchange: DispatchHandle, end: ExchangeEnd): ExchangeEnded {
  const { connection, reused, retries, wasEarly, queueMs, ttfbMs } = exchange
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
    requestBytes: body === null ? 0 : body.length,
    earlyData: wasEarly ? (connection?.handshake.earlyData ?? 'none') : 'none',
    queueMs,
    ttfbMs,
  }
}
