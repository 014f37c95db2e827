import type { TransportError } from '../base/errors.ts'
import type { Connection } from '../base/events/connection.ts'
import type { EarlierTry, ExchangeEnded, RetryReason } from '../base/events/observer.ts'
import type { ExchangeRequest, RequestBody } from '../base/http/exchange.ts'
import type { Origin } from '../base/http/origin.ts'
import type { LaneName } from '../base/http/protocol.ts'
import type { DispatchHandle } from './dispatch.ts'

/** What is notified of its request. */
type EndedRequest = Pick<ExchangeRequest, 'method' | 'path' | 'body'>

/** What the handle of an exchange does not report. */
interface ExchangeEnd {
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

/** Of a dispatch that ended before it began. */
export const REFUSED_DISPATCH: DispatchHandle = {
  abort: () => {},
  lane: undefined,
  connection: undefined,
  reused: false,
  retries: 0,
  wasEarly: false,
  queueMs: 0,
  ttfbMs: 0,
  attempts: [],
}

/** The same of one that got no further than the door: its origin has no pool, and can have none now. */
export function refusedExchange(origin: Origin, request: EndedRequest, error: TransportError): ExchangeEnded {
  return exchangeEnded(REFUSED_DISPATCH, {
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

/** More tries than that are counted (`retries`), not kept. */
const MAX_EARLIER_TRIES = 16

/**
 * The tries of one exchange that failed and were followed by another. Made with the first of them: most
 * exchanges have one try.
 */
export class EarlierTries {
  readonly list: EarlierTry[] = []
  readonly #startedAt: number

  /** `startedAt`: when the exchange was dispatched, on the clock of the times below. */
  constructor(startedAt: number) {
    this.#startedAt = startedAt
  }

  /** `leased`: the connection that it failed on; undefined: it got none. */
  add(
    reason: RetryReason,
    error: TransportError,
    lane: LaneName,
    leased:
      | { readonly connection: Connection; readonly leasedAt: number; readonly reused: boolean }
      | undefined,
    now: number,
  ): void {
    if (this.list.length === MAX_EARLIER_TRIES) return
    this.list.push({
      leasedAtMs: leased && leased.leasedAt - this.#startedAt,
      failedAtMs: now - this.#startedAt,
      lane,
      protocol: leased?.connection.protocol,
      connectionId: leased?.connection.id ?? 0,
      reused: leased?.reused ?? false,
      code: error.code,
      reason,
    })
  }
}
