import { type Clock, systemClock } from '../base/clock.ts'
import { abortError, TransportError } from '../base/errors.ts'
import { guardedListener } from '../base/guard.ts'
import type { ExchangeController, ExchangeHandler } from '../base/http/exchange.ts'
import { combinedHeaderValue, type HeaderList, headersToRecord, headerValue } from '../base/http/headers.ts'
import { type Origin, parseOrigin } from '../base/http/origin.ts'
import type { StreamSocket } from '../base/socket/stream-socket.ts'
import type { DispatchHandle, DispatchRequest } from '../exchange/dispatch.ts'
import { OpenSession } from '../webtransport/open-session.ts'
import {
  AVAILABLE_PROTOCOLS,
  CHOSEN_PROTOCOL,
  encodeProtocols,
  isProtocolName,
  readProtocols,
} from '../webtransport/protocol-fields.ts'
import type { CarriedSession, WebTransportSession } from '../webtransport/types.ts'
import { checkCallNames } from './call-names.ts'
import { prepareHeaders } from './request-headers.ts'
import type { WebTransportOptions } from './types.ts'

/** What a session needs of the transport. */
export interface SessionParts {
  readonly clock: Clock
  dispatch(origin: Origin, request: DispatchRequest, handler: ExchangeHandler): DispatchHandle
}

/**
 * Opens a session: a CONNECT over the pool of HTTP/3 connections of its origin (RFC 9220), whose stream stays
 * open as long as the session does. Throws MM_INVALID_ARGUMENT; whatever else goes wrong rejects `ready` and
 * `closed`.
 */
export function openWebTransport(
  parts: SessionParts,
  url: URL,
  options: WebTransportOptions = {},
): WebTransportSession {
  checkCallNames('webTransport', options)
  const { protocols = [], signal, headersTimeoutMs } = options
  if (url.protocol !== 'https:') throw invalid('sessions of WebTransport need an https URL')
  if (
    !Array.isArray(protocols) ||
    !protocols.every(isProtocolName) ||
    new Set(protocols).size < protocols.length
  )
    throw invalid('protocols must be a list of different names in visible ASCII')
  const origin = parseOrigin(url)
  const { headers, authority } = prepareHeaders(options.headers)
  if (protocols.length > 0) headers.push(AVAILABLE_PROTOCOLS, encodeProtocols(protocols))
  let handle: DispatchHandle | undefined
  const session = new OpenSession({
    clock: parts.clock,
    isServer: false,
    onGivenUp: error => handle?.abort(error),
  })
  const give = (): void => {
    if (signal === undefined) return
    const error = abortError(signal, 'the session')
    session.fail(error)
    handle?.abort(error)
  }
  const onAbort = guardedListener('the abort of a session', give, error => session.fail(error))
  signal?.addEventListener('abort', onAbort, { once: true })
  const exchange = new SessionExchange(session, protocols, () =>
    signal?.removeEventListener('abort', onAbort),
  )
  const isAborted = (): boolean => signal?.aborted === true
  if (isAborted()) {
    give()
    return session
  }
  handle = parts.dispatch(
    origin,
    {
      method: 'GET', // an extended CONNECT by the name of what it stands for (RFC 8441 5)
      path: url.pathname + url.search,
      headers,
      body: null,
      authority,
      upgrade: 'webtransport',
      protocols: ['h3'],
      headersTimeoutMs,
    },
    exchange,
  )
  if (isAborted()) onAbort() // from within dispatch(), by an observer
  return session
}

/** The CONNECT of one session. */
class SessionExchange implements ExchangeHandler {
  readonly #session: OpenSession
  readonly #protocols: readonly string[]
  readonly #onSettled: () => void

  constructor(session: OpenSession, protocols: readonly string[], onSettled: () => void) {
    this.#session = session
    this.#protocols = protocols
    this.#onSettled = onSettled
  }

  onRequestStart(): void {}
  onInformational(): void {}

  /** Any status but 2xx; its body is not read. */
  onResponseStart(controller: ExchangeController, status: number): void {
    const message = `the origin answered the CONNECT with status ${status}`
    controller.abort(new TransportError('MM_WEBTRANSPORT_REFUSED', message, { processed: 'yes' }))
  }

  onResponseData(): void {}
  onResponseEnd(): void {}

  onUpgrade(
    _controller: ExchangeController,
    _status: number,
    headers: HeaderList,
    tunnel: StreamSocket,
  ): void {
    this.#onSettled()
    const refusal = beginOver(tunnel, this.#session, headers, this.#protocols)
    if (refusal !== undefined) this.#session.fail(refusal)
  }

  onResponseError(_controller: ExchangeController | undefined, error: TransportError): void {
    this.#onSettled()
    this.#session.fail(sessionFailure(error))
  }
}

/** `headers`: of the answer. `offered`: by the CONNECT. Answers why it cannot be. */
function beginOver(
  tunnel: StreamSocket,
  session: OpenSession,
  headers: HeaderList,
  offered: readonly string[],
): TransportError | undefined {
  const carrier = tunnel.carrier?.()
  const [protocol = ''] = readProtocols(headerValue(headers, CHOSEN_PROTOCOL))
  const refusal =
    carrier === undefined
      ? new TransportError('MM_WEBTRANSPORT_UNAVAILABLE', 'the connection carries no streams of sessions')
      : protocol !== '' && !offered.includes(protocol)
        ? new TransportError('MM_PROTOCOL_ERROR', 'the origin chose a protocol that was not offered')
        : undefined
  if (carrier !== undefined && refusal === undefined) {
    session.begin({ tunnel, carrier, protocol, headers: headersToRecord(headers) })
    return undefined
  }
  tunnel.on('error', () => {}).destroy()
  return refusal
}

/**
 * The session over the tunnel that came of a dispatched CONNECT (`upgrade: 'webtransport'`), for proxies.
 * Throws MM_WEBTRANSPORT_UNAVAILABLE where the tunnel is that of no session, and MM_PROTOCOL_ERROR where the
 * origin chose a protocol that the request has not offered; the tunnel is closed then.
 *
 * @example
 * ```ts
 * const onUpgrade: ExchangeHandler['onUpgrade'] = (_controller, _status, response, tunnel) => {
 *   const session: CarriedSession = sessionOverTunnel(tunnel, { request: NO_HEADERS, response })
 *   session.drain()
 * }
 * ```
 */
export function sessionOverTunnel(
  tunnel: StreamSocket,
  headers: { readonly request: HeaderList; readonly response: HeaderList },
  clock: Clock = systemClock,
): CarriedSession {
  const session = new OpenSession({ clock, isServer: false })
  const offered = readProtocols(combinedHeaderValue(headers.request, AVAILABLE_PROTOCOLS))
  const refusal = beginOver(tunnel, session, headers.response, offered)
  if (refusal !== undefined) throw refusal
  return session
}

/**
 * What a failed CONNECT of a session says of the origin: it has no HTTP/3, or no WebTransport.
 *
 * @example
 * ```ts
 * console.log(sessionFailure(error).code)
 * ```
 */
export function sessionFailure(error: TransportError): TransportError {
  return NO_HTTP3.has(error.code) ? unavailable(error) : error
}

/** Errors of who finds no HTTP/3, or no WebTransport, at the origin. */
const NO_HTTP3: ReadonlySet<string> = new Set([
  'MM_UPGRADE_UNAVAILABLE',
  'MM_PROTOCOL_UNAVAILABLE',
  'MM_ALPN_MISMATCH',
  'MM_QUIC_VERSION',
  'MM_CONNECT_REFUSED',
  'MM_CONNECT_TIMEOUT',
  'MM_CONNECT_FAILED',
])

function unavailable(cause: TransportError): TransportError {
  const isAnswer = cause.code === 'MM_UPGRADE_UNAVAILABLE'
  const message = isAnswer
    ? `the origin offers no WebTransport: ${cause.message}`
    : `the origin cannot be reached over HTTP/3: ${cause.message}`
  const { processed, retryable } = cause
  return new TransportError('MM_WEBTRANSPORT_UNAVAILABLE', message, {
    cause,
    processed,
    retryable: isAnswer ? false : retryable,
  })
}

function invalid(message: string): TransportError {
  return new TransportError('MM_INVALID_ARGUMENT', message)
}
