import { type HeaderList, NO_HEADERS } from '../../entry/dispatch.ts'
import { type Clock, systemClock } from '../../entry/events.ts'
import { ERROR_CODES, type Origin, type Protocol, type Transport, TransportError } from '../../index.ts'
import type { IngressExchange, IngressHandler } from '../../ingress/ingress-exchange.ts'
import type { ServiceSettings } from '../config/service-settings.ts'
import { CONNECT_UDP, type ForwardProxy } from '../forward-proxy/forward-proxy.ts'
import type { ProxyTarget } from '../forward-proxy/proxy-target.ts'
import type { ResponseFields } from '../lifecycle/service-api.ts'
import { REFUSED } from '../routes/rewrite.ts'
import type { RouteAnswer } from '../routes/route-answer.ts'
import { Router } from '../routes/router.ts'
import type { TemplateContext } from '../routes/template.ts'
import type { SessionCounts } from '../web-transport/session-counts.ts'
import {
  admitSession,
  type ListenerSessions,
  SessionTable,
  WEBTRANSPORT,
} from '../web-transport/session-table.ts'
import { type ForwardOrigin, fairKeyOf, usualAuthority } from './forward-origin.ts'
import { type ForwardTarget, forwardTargets, type ProxyEnd, type ProxySource } from './forward-target.ts'
import {
  type ClientAnswer,
  type EndedExchange,
  ForwardedExchange,
  type ForwardingContext,
  protocolOf,
} from './forwarded-exchange.ts'
import { ResponseHeaders, withoutProxyChallenge } from './forwarded-headers.ts'
import { bodyTooLarge, watchedBody } from './limited-body.ts'
import { MirrorCounts, type MirrorParts } from './mirror.ts'
import { OwnName, ownResponse, sendOwnResponse } from './own-response.ts'
import type { RequestIds } from './request-id.ts'
import { StalledReaders, type StallStats } from './stalled-readers.ts'

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
  /** What is counted of the sessions of WebTransport with an origin. */
  sessionCounts(origin: Origin): SessionCounts
  /** The forward proxies of routes. Default: there are none. */
  readonly proxies?: ProxySource | undefined
  /** Default: the system's. */
  readonly clock?: Clock
  /** Which requests are copied. Default: Math.random. */
  readonly random?: () => number
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
  /** By route. */
  readonly #mirrorCounts = new Map<string, MirrorCounts>()
  readonly #mirrors: MirrorParts
  readonly #sessions = new SessionTable()
  #state: ForwardingState

  constructor(settings: ServiceSettings, options: ForwarderOptions) {
    const { transport, clock = systemClock } = options
    this.#options = options
    this.#stalledReaders = new StalledReaders(settings.forwarding.buffering, { transport, clock })
    this.#mirrors = {
      transport,
      random: options.random ?? Math.random,
      counts: route => {
        const counts = this.#mirrorCounts.get(route) ?? new MirrorCounts()
        this.#mirrorCounts.set(route, counts)
        return counts
      },
    }
    this.#state = prepare(settings, options, this.#own)
  }

  configure(settings: ServiceSettings): void {
    const names = new Set(settings.routes.map(({ name }) => name))
    for (const name of this.#mirrorCounts.keys()) if (!names.has(name)) this.#mirrorCounts.delete(name)
    this.#stalledReaders.configure(settings.forwarding.buffering)
    this.#state = prepare(settings, this.#options, this.#own)
  }

  /** What became of copies, by route. */
  get mirrorCounts(): ReadonlyMap<string, MirrorCounts> {
    return this.#mirrorCounts
  }

  get stallStats(): StallStats {
    return this.#stalledReaders.stats
  }

  /** Sessions of WebTransport that are open. */
  get sessions(): Pick<SessionTable, 'size' | 'closeAll'> {
    return this.#sessions
  }

  get #own(): OwnParts {
    return { stalledReaders: this.#stalledReaders, mirrors: this.#mirrors, sessions: this.#sessions }
  }

  /**
   * For a listener; `altSvc` is what its responses announce (RFC 7838), once there are any, `sessions` are
   * its sessions of WebTransport, if it offers them.
   */
  handler(altSvc: () => string | undefined = announceNothing, sessions?: ListenerSessions): IngressHandler {
    let prepared: ForwardingState | undefined
    let state = this.#state
    return exchange => {
      if (prepared !== this.#state) {
        prepared = this.#state
        state = forListener(prepared, altSvc(), sessions)
      }
      this.#handle(exchange, state)
    }
  }

  #handle(exchange: IngressExchange, state: ForwardingState): void {
    if (exchange.method === 'CONNECT') return this.#connect(state, exchange)
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
    const { target, captures } = match
    const { end } = target
    const requestId = this.#options.requestIds?.of(exchange.headers)
    const route = target.route.name
    if (typeof end === 'function') {
      const context = { request: exchange, path, captures, requestId, route, origin: undefined }
      this.#answer(state, exchange, target, end(context), context)
      return
    }
    if ('proxy' in end) {
      if (exchange.upgrade === CONNECT_UDP) return this.#openTunnel(state, exchange, end)
      const origin = this.#namedOrigin(state, exchange, end)
      if (origin === undefined) return
      const context = { request: exchange, path, captures, requestId, route, origin: origin.name }
      this.#forward(state, exchange, target, origin, context, end.proxy.contextOf(state))
      return
    }
    const context = { request: exchange, path, captures, requestId, route, origin: end.name }
    this.#forward(state, exchange, target, end, context, state)
  }

  /** CONNECT has no path, and is routed by its host: to a forward proxy, or nowhere. */
  #connect(state: ForwardingState, exchange: IngressExchange): void {
    const { method, authority, headers } = exchange
    const routed = state.routes.route({ method, authority, headers, path: '/' })
    const target = typeof routed === 'string' ? undefined : routed.match?.target
    if (target === undefined || typeof target.end === 'function' || !('proxy' in target.end)) {
      const error = new TransportError('MM_METHOD_REFUSED', 'no route with forward takes this CONNECT')
      return this.#refuse(state, exchange, error)
    }
    this.#openTunnel(state, exchange, target.end)
  }

  #openTunnel(
    state: ForwardingState,
    exchange: IngressExchange,
    { proxy, headers: requestHeaders }: ProxyEnd,
  ): void {
    const named = this.#admit(state, exchange, proxy)
    if (named === undefined) return
    if (requestHeaders.rewrite(exchange) === 'loop') return this.#refuseLoop(state, exchange, proxy.route)
    proxy.openTunnel(state, exchange, named, this.#options.requestIds?.of(exchange.headers))
  }

  /** Undefined: it was refused. */
  #admit(state: ForwardingState, exchange: IngressExchange, proxy: ForwardProxy): ProxyTarget | undefined {
    const named = proxy.admit(exchange)
    if (!(named instanceof TransportError)) return named
    this.#refuse(state, exchange, named, proxy.route, proxy.refusalFields(named))
    return undefined
  }

  /** The origin that the request names. Undefined: it was refused. */
  #namedOrigin(
    state: ForwardingState,
    exchange: IngressExchange,
    { proxy, headers }: ProxyEnd,
  ): ForwardOrigin | undefined {
    const named = this.#admit(state, exchange, proxy)
    if (named === undefined) return undefined
    const { origin } = named
    return { name: origin.key, origin, headers, keepsAuthority: false, authority: undefined, fairBy: 'none' }
  }

  #forward(
    state: ForwardingState,
    exchange: IngressExchange,
    target: ForwardTarget,
    origin: ForwardOrigin,
    context: TemplateContext,
    forwarding: ForwardingContext,
  ): void {
    const { rewriter, requestFields, responseFields, mirror, end } = target
    const { limits } = target.route.action
    const { requestId, route } = context
    const rewritten = origin.headers.rewrite(exchange)
    if (rewritten === 'last-hop') return this.#answerAsLastHop(state, exchange)
    if (rewritten === 'loop') return this.#refuseLoop(state, exchange, route)
    const usual = usualAuthority(origin, exchange)
    const authority = rewriter === undefined ? usual : rewriter.host(context, usual)
    const path = rewriter === undefined ? context.path : rewriter.path(context)
    if (authority === REFUSED || path === REFUSED) {
      const what = path === REFUSED ? 'path' : 'host'
      const error = new TransportError('MM_PATH_REFUSED', `the route makes no ${what} of this request`)
      return this.#refuse(state, exchange, error, route)
    }
    const { maxBodyBytes } = limits
    if (maxBodyBytes > 0 && (exchange.body?.length ?? 0) > maxBodyBytes)
      return this.#refuse(state, exchange, bodyTooLarge(maxBodyBytes), route)
    const place =
      exchange.upgrade === WEBTRANSPORT ? admitSession(state.listenerSessions, exchange, limits) : undefined
    if (place instanceof TransportError) {
      if (place.code === 'MM_WEBTRANSPORT_LIMIT') state.sessionCounts(origin.origin).results.add('limited')
      return this.#refuse(state, exchange, place, route)
    }
    const copy = mirror?.copyOf(exchange)
    const { requestIds } = this.#options
    const named =
      requestId === undefined ? rewritten : (requestIds?.withId(rewritten, requestId) ?? rewritten)
    const edit = responseFields && ((headers: HeaderList) => responseFields.edit(headers, context))
    new ForwardedExchange(forwarding, exchange, origin.origin, route).start({
      path,
      headers: requestFields === undefined ? named : requestFields.edit(named, context),
      authority,
      requestId,
      fairKey: fairKeyOf(exchange, origin.fairBy),
      body: watchedBody(exchange.body, maxBodyBytes, copy),
      limits,
      copy,
      editResponse: 'proxy' in end ? editProxied(edit) : edit,
      sessionPlace: place,
    })
  }

  /** A redirect, or a fixed answer. */
  #answer(
    state: ForwardingState,
    exchange: IngressExchange,
    { responseFields }: ForwardTarget,
    answer: RouteAnswer | undefined,
    context: TemplateContext,
  ): void {
    const { route } = context
    if (answer === undefined) {
      const error = new TransportError('MM_PATH_REFUSED', 'the route makes no location of this request')
      return this.#refuse(state, exchange, error, route)
    }
    exchange.events = IGNORED_EVENTS
    const { status, body } = answer
    this.#options.onRefused(exchange, status, undefined)
    const dated = [...answer.headers, 'date', state.dateHeader()]
    const headers = responseFields === undefined ? dated : responseFields.edit(dated, context)
    sendOwnResponse(exchange, { status, headers, body })
    const sentBytes = exchange.method === 'HEAD' ? 0 : body.length
    this.#onUnrouted(exchange, status, sentBytes, undefined, route)
  }

  #refuseLoop(state: ForwardingState, exchange: IngressExchange, route: string): void {
    const error = new TransportError('MM_LOOP_DETECTED', 'the request came through here before')
    this.#refuse(state, exchange, error, route)
  }

  #refuse(
    state: ForwardingState,
    exchange: IngressExchange,
    error: TransportError,
    route?: string,
    fields: HeaderList = NO_HEADERS,
  ): void {
    exchange.events = IGNORED_EVENTS
    const { status } = ERROR_CODES[error.code]
    this.#options.onRefused(exchange, status, error)
    // Its message is about the request, and names nothing that the client does not know.
    const response = ownResponse(error, {
      name: state.name,
      detail: 'detail',
      dateHeader: state.dateHeader(),
    })
    if (fields.length > 0) response.headers = response.headers.concat(fields)
    sendOwnResponse(exchange, response)
    this.#onUnrouted(exchange, status, exchange.method === 'HEAD' ? 0 : response.body.length, error, route)
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
    route?: string,
  ): void {
    const { onEnded, requestIds } = this.#options
    const answer = { origin: undefined, originProtocol: undefined, status, durationMs: 0 }
    this.#options.onAnswered({ ...answer, clientProtocol: protocolOf(client) })
    onEnded?.({
      ...answer,
      client,
      route,
      handle: undefined,
      requestId: requestIds?.of(client.headers),
      requestBytes: undefined,
      responseBytes,
      error,
    })
  }
}

const NO_PROXIES: ProxySource = { of: () => undefined }

/** An answer that is complete at once has nothing to receive from its client. */
const IGNORED_EVENTS = { onDrain(): void {}, onAborted(): void {} }

/** What becomes of the fields of a response that no route of an operator's leads to. */
function editProxied(edit: ((headers: HeaderList) => HeaderList) | undefined) {
  return edit === undefined
    ? withoutProxyChallenge
    : (headers: HeaderList) => edit(withoutProxyChallenge(headers))
}

function announceNothing(): undefined {}

function forListener(
  state: ForwardingState,
  altSvc: string | undefined,
  listenerSessions: ListenerSessions | undefined,
): ForwardingState {
  if (altSvc === undefined && listenerSessions === undefined) return state
  return { ...state, responseHeaders: new ResponseHeaders(state.name, altSvc), listenerSessions }
}

/** What of the forwarder outlives a configuration. */
interface OwnParts {
  readonly stalledReaders: StalledReaders
  readonly mirrors: MirrorParts
  readonly sessions: SessionTable
}

function prepare(
  settings: ServiceSettings,
  options: ForwarderOptions,
  { stalledReaders, mirrors, sessions }: OwnParts,
): ForwardingState {
  const { forwarding } = settings
  const name = new OwnName(forwarding.pseudonym, options.instanceId)
  return {
    routes: new Router(
      forwardTargets(settings, name, mirrors, options.proxies ?? NO_PROXIES),
      forwarding.paths,
    ),
    transport: options.transport,
    name,
    detail: settings.errors,
    responseHeaders: new ResponseHeaders(name),
    stalledReaders,
    responseFields: options.responseFields,
    clock: options.clock ?? systemClock,
    sessions,
    listenerSessions: undefined,
    sessionCounts: origin => options.sessionCounts(origin),
    dateHeader: () => options.dateHeader(),
    onAnswered: answer => options.onAnswered(answer),
    onEnded: options.onEnded,
    onCarried: (...carried) => options.onCarried(...carried),
  }
}
