import { NO_HEADERS } from '../../entry/dispatch.ts'
import { type Clock, systemClock } from '../../entry/events.ts'
import type { FairBy } from '../../entry/options.ts'
import { ERROR_CODES, type Origin, type Protocol, type Transport, TransportError } from '../../index.ts'
import { clientNetwork } from '../../ingress/flooder-table.ts'
import type { IngressExchange, IngressHandler } from '../../ingress/ingress-exchange.ts'
import type { RouteSettings, ServiceSettings } from '../config/service-settings.ts'
import type { ResponseFields } from '../lifecycle/service-api.ts'
import type { RouteDefinition } from '../routes/route-table.ts'
import { Router } from '../routes/router.ts'
import {
  type ClientAnswer,
  type EndedExchange,
  ForwardedExchange,
  type ForwardingContext,
  protocolOf,
} from './forwarded-exchange.ts'
import { RequestHeaders, ResponseHeaders } from './forwarded-headers.ts'
import { OwnName, ownResponse, sendOwnResponse } from './own-response.ts'
import type { RequestIds } from './request-id.ts'
import { StalledReaders, type StallStats } from './stalled-readers.ts'

/** Where requests go, with everything prepared that does not depend on one. */
interface ForwardOrigin {
  readonly origin: Origin
  readonly headers: RequestHeaders
  readonly keepsAuthority: boolean
  /** Sent as Host instead of the origin's own. */
  readonly authority: string | undefined
  /** Who takes turns while requests wait for the origin. */
  readonly fairBy: FairBy
}

/** What a route leads to. */
interface ForwardTarget {
  readonly route: RouteSettings
  readonly origin: ForwardOrigin
}

/** What changes as a whole when the configuration is reloaded. */
interface ForwardingState extends ForwardingContext {
  readonly routes: Router<ForwardTarget>
}

export interface ForwarderOptions {
  readonly transport: Transport
  /** Differs between processes; see OwnName. */
  readonly instanceId: string
  dateHeader(): string
  /** Is notified of each request that was answered without an origin. */
  onRefused(exchange: IngressExchange, status: number, error: TransportError | undefined): void
  /** See StartOptions. */
  readonly responseFields?: ResponseFields | undefined
  /** Is notified of what each client got. */
  onAnswered(answer: ClientAnswer): void
  /** Is notified of each exchange, and tunnel, when it has ended. Default: nobody is. */
  readonly onEnded?: ((ended: EndedExchange) => void) | undefined
  /** Gives each request an id, which goes with it. Default: what a client sends passes as it is. */
  readonly requestIds?: RequestIds | undefined
  /** Is notified of bytes that a tunnel carries to an origin and from it, as they come. */
  onCarried(origin: Origin, protocol: Protocol, fromClient: number, fromOrigin: number): void
  /** Default: the system's. */
  readonly clock?: Clock
}

/** What the connector answers to OPTIONS in person (Max-Forwards: 0). */
const OWN_ALLOW = 'GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS'

/**
 * Takes exchanges from the listeners and sends each on its way. A reload replaces the routes between two
 * requests.
 */
export class Forwarder {
  readonly #options: ForwarderOptions
  readonly #stalledReaders: StalledReaders
  #state: ForwardingState

  constructor(settings: ServiceSettings, options: ForwarderOptions) {
    const { transport, clock = systemClock } = options
    this.#options = options
    this.#stalledReaders = new StalledReaders(settings.forwarding.buffering, { transport, clock })
    this.#state = prepare(settings, options, this.#stalledReaders)
  }

  configure(settings: ServiceSettings): void {
    this.#stalledReaders.configure(settings.forwarding.buffering)
    this.#state = prepare(settings, this.#options, this.#stalledReaders)
  }

  get stallStats(): StallStats {
    return this.#stalledReaders.stats
  }

  /** For a listener; `altSvc` is what its responses announce (RFC 7838), once there are any. */
  handler(altSvc: () => string | undefined = announceNothing): IngressHandler {
    let prepared: ForwardingState | undefined
    let state = this.#state
    return exchange => {
      if (prepared !== this.#state) {
        prepared = this.#state
        state = withAltSvc(prepared, altSvc())
      }
      this.#handle(exchange, state)
    }
  }

  #handle(exchange: IngressExchange, state: ForwardingState): void {
    if (exchange.method === 'CONNECT') {
      this.#refuse(state, exchange, new TransportError('MM_METHOD_REFUSED', 'CONNECT is not forwarded'))
      return
    }
    const routed = state.routes.route(exchange)
    if (typeof routed === 'string') {
      this.#refuse(state, exchange, new TransportError('MM_PATH_REFUSED', routed))
      return
    }
    const { match, path } = routed
    if (match === undefined) {
      const place = exchange.authority === '' ? 'a request without a host' : `host ${exchange.authority}`
      this.#refuse(
        state,
        exchange,
        new TransportError('MM_NO_ROUTE', `no route leads on for ${place} and this path`),
      )
      return
    }
    const { origin, route } = match.target
    const headers = origin.headers.rewrite(exchange)
    if (headers === 'loop') {
      this.#refuse(
        state,
        exchange,
        new TransportError('MM_LOOP_DETECTED', 'the request came through here before'),
      )
    } else if (headers === 'last-hop') {
      this.#answerAsLastHop(state, exchange)
    } else {
      const authority =
        origin.keepsAuthority && exchange.authority !== '' ? exchange.authority : origin.authority
      const { requestIds } = this.#options
      const requestId = requestIds?.of(exchange.headers)
      const named = requestId === undefined ? headers : requestIds?.withId(headers, requestId)
      new ForwardedExchange(state, exchange, origin.origin, route.name).start({
        headers: named ?? headers,
        path,
        authority,
        requestId,
        fairKey: fairKeyOf(exchange, origin.fairBy),
      })
    }
  }

  #refuse(state: ForwardingState, exchange: IngressExchange, error: TransportError): void {
    exchange.events = IGNORED_EVENTS
    const { status } = ERROR_CODES[error.code]
    this.#options.onRefused(exchange, status, error)
    // Its message is about the request, and names nothing that the client does not know.
    const response = ownResponse(error, {
      name: state.name,
      detail: 'detail',
      dateHeader: state.dateHeader(),
    })
    sendOwnResponse(exchange, response)
    this.#onUnrouted(exchange, status, exchange.method === 'HEAD' ? 0 : response.body.length, error)
  }

  /**
   * RFC 9110 7.6.2: with Max-Forwards 0 the connector is the recipient. It does not echo what TRACE carries.
   */
  #answerAsLastHop(state: ForwardingState, exchange: IngressExchange): void {
    if (exchange.method !== 'OPTIONS') {
      const error = new TransportError(
        'MM_METHOD_REFUSED',
        'TRACE ends here (Max-Forwards: 0) and is not answered',
      )
      this.#refuse(state, exchange, error)
      return
    }
    exchange.events = IGNORED_EVENTS
    this.#options.onRefused(exchange, 204, undefined)
    exchange.respondStart(204, ['allow', OWN_ALLOW, 'date', state.dateHeader()])
    exchange.respondEnd(NO_HEADERS)
    this.#onUnrouted(exchange, 204, 0, undefined)
  }

  /** An answer that was given at once, without an origin. */
  #onUnrouted(
    client: IngressExchange,
    status: number,
    responseBytes: number,
    error: TransportError | undefined,
  ): void {
    const { onEnded, requestIds } = this.#options
    const answer = { origin: undefined, originProtocol: undefined, status, durationMs: 0 }
    this.#options.onAnswered({ ...answer, clientProtocol: protocolOf(client) })
    onEnded?.({
      ...answer,
      client,
      route: undefined,
      handle: undefined,
      requestId: requestIds?.of(client.headers),
      requestBytes: undefined,
      responseBytes,
      error,
    })
  }
}

/** An answer that is complete at once has nothing to receive from its client. */
const IGNORED_EVENTS = { onDrain(): void {}, onAborted(): void {} }

function announceNothing(): undefined {}

function withAltSvc(state: ForwardingState, altSvc: string | undefined): ForwardingState {
  return altSvc === undefined ? state : { ...state, responseHeaders: new ResponseHeaders(state.name, altSvc) }
}

function fairKeyOf(exchange: IngressExchange, fairBy: FairBy): string | undefined {
  if (fairBy === 'none') return undefined
  return fairBy === 'client' ? clientNetwork(exchange.remoteAddress) : exchange.authority
}

function prepare(
  settings: ServiceSettings,
  options: ForwarderOptions,
  stalledReaders: StalledReaders,
): ForwardingState {
  const { forwarding } = settings
  const name = new OwnName(forwarding.pseudonym, options.instanceId)
  const origins = new Map<string, ForwardOrigin>()
  for (const { name: originName, origin, hostHeader, fairBy } of settings.origins) {
    const isFixed = hostHeader !== 'origin' && hostHeader !== 'preserve'
    origins.set(originName, {
      origin,
      headers: new RequestHeaders({ ...forwarding, name }),
      keepsAuthority: hostHeader === 'preserve',
      authority: isFixed ? hostHeader : undefined,
      fairBy,
    })
  }
  const definitions: RouteDefinition<ForwardTarget>[] = []
  for (const route of settings.routes) {
    const { host, path, conditions } = route
    const origin = origins.get(route.origin)
    if (origin !== undefined) definitions.push({ host, path, conditions, target: { route, origin } })
  }
  return {
    routes: new Router(definitions, forwarding.paths),
    transport: options.transport,
    name,
    detail: settings.errors,
    responseHeaders: new ResponseHeaders(name),
    stalledReaders,
    responseFields: options.responseFields,
    clock: options.clock ?? systemClock,
    dateHeader: () => options.dateHeader(),
    onAnswered: answer => options.onAnswered(answer),
    onEnded: options.onEnded,
    onCarried: (...carried) => options.onCarried(...carried),
  }
}
