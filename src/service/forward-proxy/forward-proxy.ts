import { combinedHeaderValue, type HeaderList } from '../../entry/dispatch.ts'
import type { Clock } from '../../entry/events.ts'
import { type ErrorCode, type Origin, type Transport, TransportError } from '../../index.ts'
import type { IngressExchange } from '../../ingress/ingress-exchange.ts'
import { UdpTemplate } from '../../masque/udp-template.ts'
import type { ForwardingContext } from '../forwarding/forwarded-exchange.ts'
import { AllowList } from './allow-list.ts'
import type { ForwardSettings } from './proxy-settings.ts'
import { type ProxyTarget, readProxyTarget, readUdpTarget } from './proxy-target.ts'
import { ProxyTunnel, type TunnelOutcome } from './proxy-tunnel.ts'
import { ProxyUsers } from './proxy-users.ts'
import { TcpEnd, type TunnelEnd, type UdpCounts, UdpEnd } from './tunnel-ends.ts'

/** What a client asks to switch to for a tunnel of datagrams (RFC 9298 3). */
export const CONNECT_UDP = 'connect-udp'

/** What is reported of the requests of a forward proxy, under its own name. */
export interface ForwardProxyReports {
  onAnswered(answer: Parameters<ForwardingContext['onAnswered']>[0]): void
  onCarried(
    protocol: Parameters<ForwardingContext['onCarried']>[1] | 'none',
    fromClient: number,
    fromOrigin: number,
  ): void
  sessionCounts(): ReturnType<ForwardingContext['sessionCounts']>
}

interface ForwardProxyParts {
  readonly route: string
  readonly settings: ForwardSettings
  /** Its own: no pool, ticket or address is shared with origins that the operator has named. */
  readonly transport: Transport
  readonly clock: Clock
  readonly reports: ForwardProxyReports
}

/**
 * The end of a route whose requests name their origins themselves: who may use it, what they may name, and
 * the transport that makes those origins on demand. What an address may be is looked at by that transport,
 * when it dials.
 */
export class ForwardProxy {
  readonly route: string
  readonly settings: ForwardSettings
  readonly transport: Transport
  /** Its list has entries for UDP. */
  readonly takesUdp: boolean
  readonly #clock: Clock
  readonly #reports: ForwardProxyReports
  readonly #allow: AllowList
  readonly #users: ProxyUsers | undefined
  readonly #contexts = new WeakMap<ForwardingContext, ForwardingContext>()
  readonly #refusals = new Map<ErrorCode, number>()
  readonly #outcomes = new Map<TunnelOutcome, number>()
  readonly #udpTemplate: UdpTemplate
  readonly udpCounts: UdpCounts = { fromClient: 0, fromTarget: 0, dropped: 0 }
  #tunnels = 0
  #udpTunnels = 0

  constructor({ route, settings, transport, clock, reports }: ForwardProxyParts) {
    this.route = route
    this.settings = settings
    this.takesUdp = settings.allow.some(({ kind }) => kind === 'udp')
    this.transport = transport
    this.#clock = clock
    this.#reports = reports
    this.#allow = new AllowList(settings.allow)
    this.#users = settings.auth && new ProxyUsers(settings.auth.users)
    const template = UdpTemplate.parse(settings.udpTemplate)
    if (typeof template === 'string')
      throw new TransportError('MM_INVALID_ARGUMENT', `udpTemplate of ${route} ${template}`)
    this.#udpTemplate = template
  }

  /** Tunnels that are open, or are being opened. */
  get tunnels(): number {
    return this.#tunnels
  }

  /** Those of them that are for UDP. */
  get udpTunnels(): number {
    return this.#udpTunnels
  }

  get tunnelOutcomes(): ReadonlyMap<TunnelOutcome, number> {
    return this.#outcomes
  }

  /** Requests that were refused before anything was dialed, by code. */
  get refusals(): ReadonlyMap<ErrorCode, number> {
    return this.#refusals
  }

  /** What the request names, or why it is refused. */
  admit(exchange: IngressExchange): ProxyTarget | TransportError {
    const admitted = this.#admit(exchange)
    if (admitted instanceof TransportError)
      this.#refusals.set(admitted.code, (this.#refusals.get(admitted.code) ?? 0) + 1)
    return admitted
  }

  /** What goes with a refusal. */
  refusalFields({ code }: TransportError): HeaderList {
    const { auth } = this.settings
    if (code !== 'MM_CLIENT_CREDENTIALS' || auth === undefined) return []
    return ['proxy-authenticate', `Basic realm="${auth.realm}", charset="UTF-8"`]
  }

  /** The same context with what belongs to this proxy. */
  contextOf(base: ForwardingContext): ForwardingContext {
    const known = this.#contexts.get(base)
    if (known !== undefined) return known
    const context: ForwardingContext = {
      ...base,
      transport: this.transport,
      onAnswered: answer => this.#reports.onAnswered(answer),
      sessionCounts: () => this.#reports.sessionCounts(),
      onCarried: (_origin, protocol, fromClient, fromOrigin) =>
        this.#reports.onCarried(protocol, fromClient, fromOrigin),
    }
    this.#contexts.set(base, context)
    return context
  }

  /** `target` was admitted. */
  openTunnel(
    base: ForwardingContext,
    client: IngressExchange,
    { kind, origin }: ProxyTarget,
    requestId: string | undefined,
  ): void {
    const isUdp = kind === 'udp'
    const { tunnelIdleMs, udpIdleMs } = this.settings
    this.#count(isUdp, 1)
    new ProxyTunnel({
      context: this.contextOf(base),
      client,
      origin,
      route: this.route,
      requestId,
      idleMs: isUdp ? udpIdleMs : tunnelIdleMs,
      reach: signal => (isUdp ? this.#reachUdp(origin, signal) : this.#reachTcp(origin, signal)),
      clock: this.#clock,
      onOutcome: outcome => this.#outcomes.set(outcome, (this.#outcomes.get(outcome) ?? 0) + 1),
      onOver: () => this.#count(isUdp, -1),
      onCarried: (fromClient, fromOrigin) => this.#reports.onCarried('none', fromClient, fromOrigin),
    }).start()
  }

  async #reachTcp({ host, port }: Origin, signal: AbortSignal): Promise<TunnelEnd> {
    const { stream } = await this.transport.connect({ host, port }, { signal })
    return new TcpEnd(stream)
  }

  async #reachUdp({ host, port }: Origin, signal: AbortSignal): Promise<TunnelEnd> {
    const target = await this.transport.connectUdp({ host, port }, { signal })
    const { udpQueueBytes: maxQueuedBytes } = this.settings
    return new UdpEnd(target, { clock: this.#clock, maxQueuedBytes, counts: this.udpCounts })
  }

  #count(isUdp: boolean, change: 1 | -1): void {
    this.#tunnels += change
    if (isUdp) this.#udpTunnels += change
  }

  #admit(exchange: IngressExchange): ProxyTarget | TransportError {
    const users = this.#users
    if (users !== undefined && users.userOf(exchange.headers) === undefined) {
      const isGiven = combinedHeaderValue(exchange.headers, 'proxy-authorization') !== undefined
      const message = isGiven ? 'these credentials are unknown' : 'the proxy asks for credentials'
      return new TransportError('MM_CLIENT_CREDENTIALS', message)
    }
    const isUdp = exchange.upgrade === CONNECT_UDP
    const target = isUdp ? readUdpTarget(exchange.path, this.#udpTemplate) : readProxyTarget(exchange)
    if (typeof target === 'string') return new TransportError('MM_NO_TARGET', target)
    const { kind, origin } = target
    if (!this.#allow.has(kind, origin)) {
      const named = { connect: `CONNECT ${exchange.authority}`, udp: `UDP to ${origin.authority}` }
      const what = kind === 'connect' || kind === 'udp' ? named[kind] : origin.key
      return new TransportError('MM_TARGET_REFUSED', `${what} is not on the list of this proxy`)
    }
    const { maxTunnels } = this.settings
    if ((kind === 'connect' || kind === 'udp') && this.#tunnels >= maxTunnels)
      return new TransportError('MM_TUNNEL_LIMIT', `${maxTunnels} tunnels are open (forward.maxTunnels)`)
    return target
  }
}
