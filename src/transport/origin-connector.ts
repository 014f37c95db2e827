import type { Clock } from '../clock.ts'
import type { Connection, ConnectionListener, Connector } from '../connection.ts'
import { formatEndpoint, type Resolution, type Resolver } from '../endpoint.ts'
import { asTransportError, TransportError } from '../errors.ts'
import type { Origin } from '../origin.ts'
import type { OriginRecord } from '../select/origin-record.ts'
import { type Plan, plan } from '../select/plan.ts'
import { orderAddresses } from '../tcp/address-order.ts'
import type { Dialer } from '../tcp/dial.ts'
import { BUILT_PROTOCOLS } from './built-protocols.ts'
import { makeConnection } from './make-connection.ts'
import type { OriginSettings } from './origin-settings.ts'

/** What a connector works with; all but the first five are the transport's own. */
export interface ConnectorConfig {
  readonly origin: Origin
  readonly settings: OriginSettings
  /** Makes connections for upgrades that need HTTP/1.1: it offers nothing else, and what it meets says nothing of the origin's choice. */
  readonly isForUpgrades?: boolean
  readonly record: OriginRecord
  readonly resolver: Resolver
  readonly dialer: Dialer
  readonly clock: Clock
  /** A limit towards the origin took effect. */
  readonly onDefence: (limit: string) => void
}

/** Makes connections to one origin: resolves, plans, dials, and puts the protocol that was agreed on over the socket. */
export class OriginConnector implements Connector {
  readonly #config: ConnectorConfig

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
  plan(resolution: Resolution): Plan {
    const { origin, settings, record, clock, isForUpgrades } = this.#config
    const { attemptDelayMs } = settings.timeouts
    // What the operator wrote down keeps its order; what a resolver says alternates between the families (RFC 8305 section 4).
    const addresses =
      resolution.source === 'endpoints' ? resolution.addresses : orderAddresses(resolution.addresses)
    const input = {
      record,
      allowed: isForUpgrades === true ? (['http/1.1'] as const) : settings.protocols,
      built: BUILT_PROTOCOLS,
      isSecure: origin.scheme === 'https',
      addresses,
      port: origin.port,
      attemptDelayMs,
    }
    return plan(input, clock.now())
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
    const dialed = await dialer.dial(
      {
        origin,
        attempts,
        alpnProtocols: offered,
        tls: settings.tls,
        timeouts: settings.timeouts,
        socket: settings.socket,
        dnsMs,
        onAttempts: made => record.onAttempts(made, clock.now()),
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
}
