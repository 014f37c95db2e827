import type { Clock } from '../clock.ts'
import type { AttemptRecord, Connection, ConnectionListener, Connector } from '../connection.ts'
import { formatEndpoint, type Resolution, type Resolver } from '../endpoint.ts'
import { asTransportError, TransportError } from '../errors.ts'
import type { Origin } from '../origin.ts'
import type { QuicConnection, QuicStats } from '../quic/engine.ts'
import type { OriginRecord } from '../select/origin-record.ts'
import { type Plan, plan } from '../select/plan.ts'
import { orderAddresses } from '../tcp/address-order.ts'
import type { Dialer } from '../tcp/dial.ts'
import { BUILT_PROTOCOLS } from './built-protocols.ts'
import { connectHttp3 } from './http3-connect.ts'
import type { Http3Dialer, Http3DialRequest } from './http3-dialer.ts'
import { makeConnection } from './make-connection.ts'
import type { OriginSettings } from './origin-settings.ts'

/** Who hears of what happens on the connections, and is asked. */
export interface ConnectorHooks {
  /** A limit towards the origin took effect. */
  readonly onDefence: (limit: string) => void
  /** A request waits that may leave in early data. */
  readonly wantsEarlyData: () => boolean
  /** What became of it. `connection.handshake` has been corrected. */
  readonly onEarlyData: (connection: Connection, outcome: 'accepted' | 'rejected') => void
}

/** What a connector works with; all but the first five are the transport's own. */
export interface ConnectorConfig extends ConnectorHooks {
  readonly origin: Origin
  readonly settings: OriginSettings
  /** Makes connections for upgrades that need HTTP/1.1: it offers nothing else, and what it meets says nothing of the origin's choice. */
  readonly isForUpgrades?: boolean
  readonly record: OriginRecord
  readonly resolver: Resolver
  readonly dialer: Dialer
  readonly http3Dialer: Http3Dialer
  readonly clock: Clock
}

/** Makes connections to one origin: resolves, plans, dials, and puts the protocol that was agreed on over the socket. */
export class OriginConnector implements Connector {
  readonly #config: ConnectorConfig
  /** For what QUIC knows of the way. */
  readonly #quic = new WeakMap<Connection, QuicConnection>()

  constructor(config: ConnectorConfig) {
    this.#config = config
  }

  async connect(listener: ConnectionListener, signal: AbortSignal): Promise<Connection> {
    const { record, clock, isForUpgrades } = this.#config
    try {
      return await this.#connect(listener, signal)
    } catch (cause) {
      const error = asTransportError(cause, 'MM_INTERNAL', 'no')
      if (error.fault === 'remote' && isForUpgrades !== true) record.onConnectFailed(error, clock.now())
      throw error
    }
  }

  /** The attempts that a connect made now would consist of. */
  plan(resolution: Resolution, purpose: 'dial' | 'explain' = 'dial'): Plan {
    const { origin, settings, record, clock, isForUpgrades, http3Dialer } = this.#config
    const { attemptDelayMs } = settings.timeouts
    // What the operator wrote down keeps its order; what a resolver says alternates between the families (RFC 8305 section 4).
    const addresses =
      resolution.source === 'endpoints' ? resolution.addresses : orderAddresses(resolution.addresses)
    const allowed = isForUpgrades === true ? (['http/1.1'] as const) : settings.protocols
    const isSecure = origin.scheme === 'https'
    // The engine is loaded when somebody wants to know of it, or nothing else is left, and not by who speaks TCP only.
    const needsEngine =
      isSecure &&
      allowed.includes('h3') &&
      (purpose === 'explain' || allowed.every(protocol => protocol === 'h3'))
    const http3Fault = needsEngine ? http3Dialer.fault : undefined
    const input = {
      record,
      allowed,
      built:
        http3Fault === undefined ? BUILT_PROTOCOLS : BUILT_PROTOCOLS.filter(protocol => protocol !== 'h3'),
      http3Fault,
      isSecure,
      addresses,
      port: origin.port,
      attemptDelayMs,
    }
    return plan(input, clock.now())
  }

  /** Why HTTP/3 cannot be spoken on this machine. Loads the engine, unless the origin may not be spoken to by it at all. */
  get http3Fault(): string | undefined {
    const { settings, http3Dialer } = this.#config
    return settings.protocols.includes('h3') ? http3Dialer.fault : undefined
  }

  /** How the ways to the origin are, as far as the protocol measures it. */
  pathsOf(connections: Iterable<Connection>): QuicStats[] {
    const paths: QuicStats[] = []
    for (const connection of connections) {
      const quic = this.#quic.get(connection)
      if (quic !== undefined) paths.push(quic.stats())
    }
    return paths
  }

  async #connect(listener: ConnectionListener, signal: AbortSignal): Promise<Connection> {
    const { origin, settings, record, resolver, dialer, clock, isForUpgrades, onDefence } = this.#config
    const startedAt = clock.now()
    const resolution = await resolver.resolve(origin.host, signal)
    const dnsMs = clock.now() - startedAt
    record.onResolved(resolution, clock.now())

    const { attempts, offered, protocols } = this.plan(resolution)
    if (attempts.length === 0) {
      const reasons = protocols.map(({ protocol, because }) => `${protocol}: ${because}`).join('; ')
      throw new TransportError('MM_PROTOCOL_UNAVAILABLE', `no protocol is left for ${origin.key}: ${reasons}`)
    }
    const onAttempts = (made: readonly AttemptRecord[]): void => record.onAttempts(made, clock.now())
    if (offered[0] === 'h3')
      return await this.#connectHttp3({ attempts, dnsMs, onAttempts }, listener, signal)
    const dialed = await dialer.dial(
      {
        origin,
        attempts,
        alpnProtocols: offered,
        tls: settings.tls,
        timeouts: settings.timeouts,
        socket: settings.socket,
        dnsMs,
        onAttempts,
      },
      signal,
    )
    const { alpnProtocol, endpoint, handshake, offeredTicket } = dialed
    const protocol = isForUpgrades === true ? undefined : alpnProtocol
    record.onConnected(
      { protocol, endpoint: formatEndpoint(endpoint), handshake, offeredTicket },
      clock.now(),
    )
    dialed.socket.unref() // see ProcessHold
    return makeConnection(alpnProtocol, {
      socket: dialed.socket,
      port: dialed.readPort,
      endpoint,
      handshake,
      listener,
      settings,
      clock,
      knownStreams: record.capacity?.value,
      onAltSvc: (about, value) => {
        // RFC 7838 4: '' stands for the origin of the connection. What it says of others is for those that coalesce.
        if (about === '' || about === origin.key) record.onAltSvc(value, clock.now())
      },
      onDefence,
    })
  }

  async #connectHttp3(
    way: Pick<Http3DialRequest, 'attempts' | 'dnsMs' | 'onAttempts'>,
    listener: ConnectionListener,
    signal: AbortSignal,
  ): Promise<Connection> {
    const { origin, settings, http3Dialer, wantsEarlyData } = this.#config
    const request = { ...way, origin, settings, wantsEarlyData: wantsEarlyData() }
    const dialed = await http3Dialer.dial(request, signal)
    const { connection, quic } = connectHttp3({ ...this.#config, dialed, listener })
    this.#quic.set(connection, quic)
    return connection
  }
}
