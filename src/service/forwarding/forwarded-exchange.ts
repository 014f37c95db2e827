import { guardedListener } from '../../base/guard.ts'
import type { StreamSocket } from '../../base/socket/stream-socket.ts'
import {
  type DispatchHandle,
  type DispatchRequest,
  type ExchangeController,
  type ExchangeHandler,
  type HeaderList,
  headerValue,
  NO_HEADERS,
  type RequestBody,
  sessionFailure,
} from '../../entry/dispatch.ts'
import type { Clock } from '../../entry/events.ts'
import {
  asTransportError,
  type Origin,
  type Protocol,
  type Transport,
  type TransportError,
} from '../../index.ts'
import type { IngressExchange, IngressExchangeEvents } from '../../ingress/ingress-exchange.ts'
import type { RouteLimits } from '../config/service-settings.ts'
import type { ResponseFields } from '../lifecycle/service-api.ts'
import { joinSessions, sessionFields } from '../web-transport/join-sessions.ts'
import type { EndedSession } from '../web-transport/session-bridge.ts'
import type { SessionCounts } from '../web-transport/session-counts.ts'
import type { ListenerSessions, SessionPlace, SessionTable } from '../web-transport/session-table.ts'
import { type ResponseHeaders, withoutAltSvc } from './forwarded-headers.ts'
import { joinTunnel } from './join-tunnel.ts'
import { type ErrorDetail, keepOwned, type OwnName, ownResponse, sendOwnResponse } from './own-response.ts'
import type { ResponseBuffer } from './response-buffer.ts'
import type { StalledExchange, StalledReaders } from './stalled-readers.ts'

/** What all exchanges of one configuration share. */
export interface ForwardingContext {
  readonly transport: Transport
  readonly name: OwnName
  /** How much of an error clients receive. */
  readonly detail: ErrorDetail
  readonly responseHeaders: ResponseHeaders
  readonly stalledReaders: StalledReaders
  readonly responseFields: ResponseFields | undefined
  readonly clock: Clock
  /** Sessions of WebTransport that are open. */
  readonly sessions: SessionTable
  /** Those of the listener. Undefined: it offers none. */
  readonly listenerSessions: ListenerSessions | undefined
  /** What is counted of the sessions with an origin. */
  sessionCounts(origin: Origin): SessionCounts
  /** The time as an IMF-fixdate. */
  dateHeader(): string
  /** Is notified of what a client got, once. */
  onAnswered(answer: ClientAnswer): void
  /** Is notified of each exchange, and tunnel, when it has ended. Left out: nobody wants to know. */
  readonly onEnded: ((ended: EndedExchange) => void) | undefined
  /** Is notified of bytes that a tunnel carries to an origin and from it, as they come. */
  onCarried(origin: Origin, protocol: Protocol, fromClient: number, fromOrigin: number): void
}

/** What a client got for its request, when nothing more comes of it. */
export interface ClientAnswer {
  /** Undefined: it was answered without an origin. */
  readonly origin: Origin | undefined
  /** What the origin spoke; undefined: the answer is ours. */
  readonly originProtocol: Protocol | undefined
  readonly clientProtocol: Protocol
  /** 0: none, since the client went away before. */
  readonly status: number
  /** From the head of the request to the end of the response. */
  readonly durationMs: number
}

/** An exchange of which nothing more comes, with both its sides. */
export interface EndedExchange extends Omit<ClientAnswer, 'clientProtocol'> {
  readonly client: IngressExchange
  /** The name of its route; undefined: none took it. */
  readonly route: string | undefined
  /** Undefined: it went to no origin. */
  readonly handle: DispatchHandle | undefined
  readonly requestId: string | undefined
  /** Of the body, or from the client of a tunnel; undefined: nobody counted. */
  readonly requestBytes: number | undefined
  /** Of the body, as far as the client took it, or to the client of a tunnel. */
  readonly responseBytes: number
  /** Why it failed, whatever the client got of it. */
  readonly error: TransportError | undefined
  /** Left out: it was no session of WebTransport, or none came of it. */
  readonly session?: EndedSession | undefined
}

/** How one request goes on. */
export interface ForwardedRequest {
  readonly path: string
  readonly headers: HeaderList
  readonly body: RequestBody
  /** What it has otherwise than others to its origin. */
  readonly limits: RouteLimits
  /** For another origin. */
  readonly copy: { send(request: DispatchRequest): void } | undefined
  readonly authority: string | undefined
  readonly requestId: string | undefined
  /** Whose turn it takes where requests wait for a protected origin. */
  readonly fairKey: string | undefined
  /** What its route changes about the fields of the response. */
  readonly editResponse: ((headers: HeaderList) => HeaderList) | undefined
  /** It asks for a session of WebTransport, and this is its place among them. */
  readonly sessionPlace: SessionPlace | undefined
}

/**
 * One request on its way through: is notified of the origin's answer and of the client, and passes each on to
 * the other. It is the only object that forwarding makes per exchange; there is no stream, promise or timer
 * in between, and no buffer unless the client stalls.
 *
 * - `waiting`: the origin has not answered. Valid transitions: responding, ended
 * - `responding`: the head of the final response went to the client. Valid transitions: delivering, ended
 * - `delivering`: the origin has sent everything, and some of it is buffered for the client. Valid
 *   transitions: ended
 * - `ended`: nothing more will be passed on: answered, aborted by either side, or handed over to a tunnel.
 *   Final
 */
export class ForwardedExchange
  implements ExchangeHandler, IngressExchangeEvents, StalledExchange, ClientAnswer, EndedExchange
{
  readonly client: IngressExchange
  readonly origin: Origin
  readonly route: string
  status = 0
  originProtocol: Protocol | undefined
  handle: DispatchHandle | undefined
  requestId: string | undefined
  error: TransportError | undefined
  /** Not those that the client did not take. Counted at the end. */
  responseBytes = 0
  session: EndedSession | undefined
  #sessionPlace: SessionPlace | undefined
  /** The fields that were sent. */
  #requestHeaders: HeaderList = NO_HEADERS
  /** Of a tunnel, which has no body. */
  #tunnelBytes: number | undefined
  readonly #context: ForwardingContext
  readonly #startedAt: number
  #phase: 'waiting' | 'responding' | 'delivering' | 'ended' = 'waiting'
  #controller: ExchangeController | undefined
  /** Why the client's side ended; kept for an abort that comes while dispatch() is still running. */
  #clientError: TransportError | undefined
  #responseHeaders: HeaderList = NO_HEADERS
  #receivedBytes = 0
  /** The origin was told to pause, since the client does not keep up. */
  #isBehind = false
  /** From a stall until the client has caught up: what comes goes through it. */
  #buffer: ResponseBuffer | undefined
  #editResponse: ForwardedRequest['editResponse']
  /** While delivering. */
  #trailers: HeaderList = NO_HEADERS

  constructor(context: ForwardingContext, client: IngressExchange, origin: Origin, route: string) {
    this.#context = context
    this.client = client
    this.#startedAt = context.clock.now()
    this.origin = origin
    this.route = route
  }

  get clientProtocol(): Protocol {
    return protocolOf(this.client)
  }

  get durationMs(): number {
    return this.#context.clock.now() - this.#startedAt
  }

  get requestBytes(): number | undefined {
    const { body } = this.client
    if (this.#tunnelBytes !== undefined) return this.#tunnelBytes
    if (body === null) return 0
    return body instanceof Uint8Array ? body.length : (body.writtenBytes ?? body.length)
  }

  start(request: ForwardedRequest): void {
    const { client } = this
    client.events = this
    this.requestId = request.requestId
    this.#editResponse = request.editResponse
    const { limits, sessionPlace } = request
    this.#sessionPlace = sessionPlace
    if (sessionPlace !== undefined) this.#requestHeaders = sessionFields(request.headers)
    const dispatched: DispatchRequest = {
      method: client.method,
      path: request.path,
      headers: sessionPlace === undefined ? request.headers : this.#requestHeaders,
      body: request.body,
      authority: request.authority,
      upgrade: client.upgrade,
      isUpgradeOptional: isUpgradeOptional(client),
      acceptsTrailers: client.acceptsTrailers,
      fairKey: request.fairKey,
      earlyData: limits.earlyData,
      headersTimeoutMs: limits.headersTimeoutMs,
      bodyTimeoutMs: limits.bodyTimeoutMs,
      requestTimeoutMs: limits.requestTimeoutMs,
      retry: limits.retry,
      protocols: sessionPlace === undefined ? limits.protocols : HTTP3_ONLY,
    }
    this.handle = this.#context.transport.dispatch(this.origin, dispatched, this)
    request.copy?.send(dispatched)
    if (this.#clientError !== undefined) this.handle.abort(this.#clientError)
  }

  // From the origin

  onRequestStart(controller: ExchangeController): void {
    this.#controller = controller
  }

  onInformational(_controller: ExchangeController, status: number, headers: HeaderList): void {
    if (this.#phase === 'waiting') this.client.respondInformational(status, withoutAltSvc(headers))
  }

  onResponseStart(
    controller: ExchangeController,
    status: number,
    headers: HeaderList,
    statusText: string,
  ): void {
    if (this.#phase !== 'waiting') return
    this.#phase = 'responding'
    this.#responseHeaders = headers
    this.status = status
    this.originProtocol = controller.protocol
    this.client.respondStart(status, this.#withOwnFields(controller, headers), statusText)
  }

  onResponseData(controller: ExchangeController, chunk: Buffer): void {
    if (this.#phase !== 'responding') return
    this.#receivedBytes += chunk.length
    const buffer = this.#buffer
    if (buffer !== undefined) {
      buffer.append(chunk)
      if (buffer.isFull && !this.#isBehind) this.#stop(controller)
      return
    }
    const before = delivering
    delivering = controller
    const wantsMore = this.client.respondData(chunk, keepDelivered)
    delivering = before
    if (!wantsMore && !this.#isBehind) this.#stop(controller)
  }

  onResponseEnd(_controller: ExchangeController, trailers: HeaderList): void {
    if (this.#phase !== 'responding') return
    const buffer = this.#buffer
    if (buffer !== undefined && buffer.bytes > 0) {
      this.#phase = 'delivering'
      this.#trailers = trailers
      buffer.complete()
      if (this.#isBehind) this.#context.stalledReaders.delete(this)
      return
    }
    this.#leave()
    this.client.respondEnd(trailers)
    this.#reportEnd()
  }

  onUpgrade(controller: ExchangeController, status: number, headers: HeaderList, tunnel: StreamSocket): void {
    if (this.#phase !== 'waiting') {
      tunnel.destroy()
      return
    }
    if (this.#sessionPlace !== undefined) {
      this.#bridge(controller, headers, tunnel, this.#sessionPlace)
      return
    }
    this.#leave()
    this.status = status
    this.originProtocol = controller.protocol
    const client = this.client.acceptUpgrade(status, this.#rewritten(controller, headers))
    const { protocol } = controller
    this.#tunnelBytes = 0
    joinTunnel(client, tunnel, (fromClient, fromOrigin) => this.#onCarried(protocol, fromClient, fromOrigin))
    this.#context.onAnswered(this)
    const { onEnded } = this.#context
    if (onEnded !== undefined)
      client.once(
        'close',
        guardedListener('the end of a tunnel', () => onEnded(this), ignoreFault),
      )
  }

  onResponseError(_controller: ExchangeController | undefined, cause: TransportError): void {
    const phase = this.#phase
    if (phase === 'ended') return
    this.#leave()
    const error = this.#sessionPlace === undefined ? cause : sessionFailure(cause)
    this.error = error
    // A client that has gone reads no answer. A head that has left us cannot be taken back: the client sees a
    // truncated response.
    const isTooLate = phase === 'responding' && !this.client.retract()
    if (isTooLate || error.code === 'MM_CLIENT_GONE') this.client.abort(error)
    else this.#answerItself(error)
    this.#reportEnd()
  }

  /** The origin has taken the session: so does the client, and each is carried to the other. */
  #bridge(
    controller: ExchangeController,
    headers: HeaderList,
    tunnel: StreamSocket,
    place: SessionPlace,
  ): void {
    const { clock, sessions, onEnded } = this.#context
    const { protocol } = controller
    const answer = this.#rewritten(controller, headers)
    const taken = { tunnel, request: this.#requestHeaders, response: headers, answer }
    let joined: ReturnType<typeof joinSessions>
    try {
      joined = joinSessions(this.client, taken, clock)
    } catch (cause) {
      this.onResponseError(controller, asTransportError(cause))
      return
    }
    this.#leave()
    this.status = 200
    this.originProtocol = protocol
    this.#tunnelBytes = 0
    sessions.open({
      ...joined,
      clock,
      idleMs: place.idleMs,
      counts: this.#context.sessionCounts(this.origin),
      onCarried: (fromClient, fromOrigin) => this.#onCarried(protocol, fromClient, fromOrigin),
      onEnded: (session, error) => {
        this.session = session
        this.error = error
        place.release()
        onEnded?.(this)
      },
    })
    this.#context.onAnswered(this)
  }

  #onCarried(protocol: Protocol, fromClient: number, fromOrigin: number): void {
    this.#tunnelBytes = (this.#tunnelBytes ?? 0) + fromClient
    this.responseBytes += fromOrigin
    this.#context.onCarried(this.origin, protocol, fromClient, fromOrigin)
  }

  #answerItself(error: TransportError): void {
    const { name, detail } = this.#context
    const response = ownResponse(error, { name, detail, dateHeader: this.#context.dateHeader() })
    this.status = response.status
    this.originProtocol = undefined
    this.responseBytes = this.client.method === 'HEAD' ? 0 : response.body.length
    sendOwnResponse(this.client, response)
  }

  #rewritten(controller: ExchangeController, headers: HeaderList): HeaderList {
    const rewritten = this.#context.responseHeaders.rewrite(headers, controller.protocol)
    return this.#editResponse === undefined ? rewritten : this.#editResponse(rewritten)
  }

  #withOwnFields(controller: ExchangeController, headers: HeaderList): HeaderList {
    const rewritten = this.#rewritten(controller, headers)
    const { responseFields } = this.#context
    if (responseFields === undefined || this.handle === undefined) return rewritten
    return rewritten.concat(responseFields(this.handle))
  }

  // From the client

  onDrain(): void {
    const buffer = this.#buffer
    if (buffer !== undefined && !this.#deliver(buffer)) return
    if (this.#phase === 'responding') this.#goOn()
  }

  onAborted(error: TransportError): void {
    const phase = this.#phase
    if (phase === 'ended') return
    this.#leave()
    this.#clientError = error
    this.error = error
    if (phase !== 'delivering') this.handle?.abort(error)
    this.#reportEnd()
  }

  // A client that does not keep up: StalledExchange

  startBuffering(): boolean {
    const controller = this.#controller
    // A stream of a connection that others share is no reason to move its body elsewhere: the origin's window
    // bounds what it holds.
    if (controller?.protocol !== 'http/1.1' || this.#phase !== 'responding' || this.#buffer !== undefined)
      return false
    this.#buffer = this.#context.stalledReaders.makeBuffer(this.#bytesLeft())
    if (this.#buffer === undefined) return false
    this.#goOn()
    return true
  }

  endStalled(error: TransportError): void {
    this.handle?.abort(error)
  }

  /** Hands the client what is buffered, as far as it takes it. True: it has caught up. */
  #deliver(buffer: ResponseBuffer): boolean {
    for (let piece = buffer.take(); piece !== undefined; piece = buffer.take()) {
      if (this.client.respondData(piece, keepOwned)) continue
      // What ended the exchange from within has cleared the buffer.
      if (this.#phase === 'responding' && this.#isBehind && buffer.hasRoom) this.#goOn()
      if (this.#phase !== 'delivering' || buffer.bytes > 0) return false
    }
    if (this.#phase === 'delivering') {
      this.#leave()
      this.client.respondEnd(this.#trailers)
      this.#reportEnd()
    } else if (this.#phase === 'responding') {
      buffer.clear()
      this.#buffer = undefined
    }
    return true
  }

  #stop(controller: ExchangeController): void {
    this.#isBehind = true
    controller.pause()
    if (this.#buffer === undefined) this.#context.stalledReaders.addPaused(this)
    else this.#context.stalledReaders.addStalled(this)
  }

  #goOn(): void {
    if (!this.#isBehind) return
    this.#isBehind = false
    this.#context.stalledReaders.delete(this)
    this.#controller?.resume()
  }

  /** Once, but for a tunnel or a session, whose end is reported when it has ended. */
  #reportEnd(): void {
    if (this.#sessionPlace !== undefined) this.#reportNoSession(this.#sessionPlace)
    this.#context.onAnswered(this)
    this.#context.onEnded?.(this)
  }

  #reportNoSession(place: SessionPlace): void {
    place.release()
    const { code } = this.error ?? {}
    const isUnavailable = code === 'MM_WEBTRANSPORT_UNAVAILABLE'
    const result = code === undefined ? 'refused' : isUnavailable ? 'unavailable' : 'failed'
    this.#context.sessionCounts(this.origin).results.add(result)
  }

  /** Nothing more will be passed on. */
  #leave(): void {
    this.#phase = 'ended'
    this.responseBytes = this.#receivedBytes - (this.#buffer?.bytes ?? 0)
    if (this.#isBehind) this.#context.stalledReaders.delete(this)
    this.#buffer?.clear()
    this.#buffer = undefined
  }

  /** Of the body, what is still to come; undefined: the origin did not say. */
  #bytesLeft(): number | undefined {
    const length = headerValue(this.#responseHeaders, 'content-length')
    return length === undefined ? undefined : Math.max(0, Number(length) - this.#receivedBytes)
  }
}

/** There is no other for sessions of WebTransport. */
const HTTP3_ONLY: readonly Protocol[] = ['h3']

/** What is left of a line of a log that cannot be written: the fault is counted. */
function ignoreFault(): void {}

const PROTOCOLS: Readonly<Record<string, Protocol>> = { '2': 'h2', '3': 'h3' }

export function protocolOf({ httpVersion }: IngressExchange): Protocol {
  return PROTOCOLS[httpVersion] ?? 'http/1.1'
}

/**
 * A server may ignore Upgrade and answer the request (RFC 9110 7.8), but not an extended CONNECT; and a
 * client of WebSocket can do nothing with such an answer (RFC 6455 4.1).
 */
function isUpgradeOptional({ upgrade, method, httpVersion }: IngressExchange): boolean {
  return upgrade !== undefined && httpVersion === '1.1' && !(upgrade === 'websocket' && method === 'GET')
}

/**
 * The exchange whose chunk is being passed on. `keep` may be called within respondData only, so one variable
 * and one function serve every exchange, where a closure of its own would be made for each.
 */
let delivering: ExchangeController | undefined

function keepDelivered(chunk: Buffer): Buffer {
  return delivering === undefined ? Buffer.from(chunk) : delivering.keep(chunk)
}
