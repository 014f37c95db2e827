import type { Duplex } from 'node:stream'
import type {
  DispatchHandle,
  ExchangeController,
  ExchangeHandler,
  HeaderList,
  Origin,
  Transport,
  TransportError,
} from '../../index.ts'
import type { IngressExchange, IngressExchangeEvents } from '../../ingress/ingress-exchange.ts'
import { joinTunnel } from './join-tunnel.ts'
import type { OwnName } from './own-name.ts'
import { ownResponse, sendOwnResponse } from './own-response.ts'
import type { ResponseVia } from './response-headers.ts'

/** What all exchanges of one configuration share. */
export interface ForwardingContext {
  readonly transport: Transport
  readonly name: OwnName
  readonly responseVia: ResponseVia
  /** The time as an IMF-fixdate. */
  dateHeader(): string
}

/** Where and how one request goes on. */
export interface ForwardedRequest {
  readonly origin: Origin
  readonly headers: HeaderList
  readonly authority: string | undefined
}

/**
 * One request on its way through: hears of the origin's answer and of the client, and passes each on to the other. It is the only
 * object that forwarding makes per exchange; there is no stream, promise or timer in between.
 *
 * waiting     the origin has not answered. Valid transitions: responding, tunneling, ended
 * responding  the head of the final response went to the client. Valid transitions: ended
 * ended       nothing more will be passed on: answered, aborted by either side, or handed over to a tunnel
 */
export class ForwardedExchange implements ExchangeHandler, IngressExchangeEvents {
  readonly #context: ForwardingContext
  readonly #client: IngressExchange
  #phase: 'waiting' | 'responding' | 'ended' = 'waiting'
  #handle: DispatchHandle | undefined
  #controller: ExchangeController | undefined
  /** Why the client's side ended; kept for an abort that comes while dispatch() is still running. */
  #clientError: TransportError | undefined

  constructor(context: ForwardingContext, client: IngressExchange) {
    this.#context = context
    this.#client = client
  }

  start(request: ForwardedRequest): void {
    const client = this.#client
    client.events = this
    this.#handle = this.#context.transport.dispatch(
      request.origin,
      {
        method: client.method,
        path: client.path,
        headers: request.headers,
        body: client.body,
        authority: request.authority,
        upgrade: client.upgrade,
        isUpgradeOptional: isUpgradeOptional(client),
        acceptsTrailers: client.acceptsTrailers,
      },
      this,
    )
    if (this.#clientError !== undefined) this.#handle.abort(this.#clientError)
  }

  // From the origin

  onRequestStart(controller: ExchangeController): void {
    this.#controller = controller
  }

  onInformational(_controller: ExchangeController, status: number, headers: HeaderList): void {
    if (this.#phase === 'waiting') this.#client.respondInformational(status, headers)
  }

  onResponseStart(
    controller: ExchangeController,
    status: number,
    headers: HeaderList,
    statusText: string,
  ): void {
    if (this.#phase !== 'waiting') return
    this.#phase = 'responding'
    this.#client.respondStart(status, this.#withVia(controller, headers), statusText)
  }

  onResponseData(controller: ExchangeController, chunk: Buffer): void {
    if (this.#phase !== 'responding') return
    const before = delivering
    delivering = controller
    const wantsMore = this.#client.respondData(chunk, keepDelivered)
    delivering = before
    if (!wantsMore) controller.pause()
  }

  onResponseEnd(_controller: ExchangeController, trailers: HeaderList): void {
    if (this.#phase !== 'responding') return
    this.#phase = 'ended'
    this.#client.respondEnd(trailers)
  }

  onUpgrade(controller: ExchangeController, status: number, headers: HeaderList, tunnel: Duplex): void {
    if (this.#phase !== 'waiting') {
      tunnel.destroy()
      return
    }
    this.#phase = 'ended'
    joinTunnel(this.#client.acceptUpgrade(status, this.#withVia(controller, headers)), tunnel)
  }

  onResponseError(_controller: ExchangeController | undefined, error: TransportError): void {
    const phase = this.#phase
    if (phase === 'ended') return
    this.#phase = 'ended'
    // Nobody hears an answer who has gone. A head that has left us cannot be taken back: the client sees a truncated response.
    const isTooLate = phase === 'responding' && !this.#client.retract()
    if (isTooLate || error.code === 'MM_CLIENT_GONE') this.#client.abort(error)
    else sendOwnResponse(this.#client, ownResponse(error, this.#context.name, this.#context.dateHeader()))
  }

  #withVia(controller: ExchangeController, headers: HeaderList): HeaderList {
    return this.#context.responseVia.append(headers, controller.protocol)
  }

  // From the client

  onDrain(): void {
    if (this.#phase === 'responding') this.#controller?.resume()
  }

  onAborted(error: TransportError): void {
    if (this.#phase === 'ended') return
    this.#phase = 'ended'
    this.#clientError = error
    this.#handle?.abort(error)
  }
}

/**
 * A server may ignore Upgrade and answer the request (RFC 9110 7.8), but not an extended CONNECT; and a client of WebSocket can do nothing with such an
 * answer (RFC 6455 4.1).
 */
function isUpgradeOptional({ upgrade, method, httpVersion }: IngressExchange): boolean {
  return upgrade !== undefined && httpVersion === '1.1' && !(upgrade === 'websocket' && method === 'GET')
}

/**
 * The exchange whose chunk is being passed on. `keep` may be called within respondData only, so one variable and one function serve
 * every exchange, where a closure of its own would be made for each.
 */
let delivering: ExchangeController | undefined

function keepDelivered(chunk: Buffer): Buffer {
  return delivering === undefined ? Buffer.from(chunk) : delivering.keep(chunk)
}
