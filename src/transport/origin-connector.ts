import type { Clock } from '../clock.ts'
import type { Connection, ConnectionListener, Connector } from '../connection.ts'
import type { Protocol } from '../protocol.ts'
import { formatEndpoint, type Resolution, type Resolver } from '../endpoint.ts'
import { asTransportError, TransportError } from '../errors.ts'
import { Http1Connection } from '../http1/connection.ts'
import type { Origin } from '../origin.ts'
import type { OriginRecord } from '../select/origin-record.ts'
import { type Plan, plan } from '../select/plan.ts'
import { orderAddresses } from '../tcp/address-order.ts'
import type { Dialer } from '../tcp/dial.ts'
import { BUILT_PROTOCOLS } from './built-protocols.ts'
import type { OriginSettings } from './origin-settings.ts'

/** What a connector works with; all but the first four are the transport's own. */
export interface ConnectorConfig {
  readonly origin: Origin
  readonly settings: OriginSettings
  readonly record: OriginRecord
  readonly resolver: Resolver
  readonly dialer: Dialer
  readonly clock: Clock
}

/** Connections of the whole process are numbered in the order in which they were made. */
let lastConnectionId = 0

/** Makes connections to one origin: resolves, plans, dials, and puts the protocol that was agreed on over the socket. */
export class OriginConnector implements Connector {
  readonly #config: ConnectorConfig

  constructor(config: ConnectorConfig) {
    this.#config = config
  }

  async connect(listener: ConnectionListener, signal: AbortSignal): Promise<Connection> {
    const { record, clock } = this.#config
    try {
      return await this.#connect(listener, signal)
    } catch (cause) {
      const error = asTransportError(cause, 'MM_INTERNAL', 'no')
      if (error.fault === 'remote') record.onConnectFailed(error, clock.now())
      throw error
    }
  }

  /** The attempts that a connect made now would consist of. */
  plan(resolution: Resolution): Plan {
    const { origin, settings, record, clock } = this.#config
    const { attemptDelayMs } = settings.timeouts
    // What the operator wrote down keeps its order; what a resolver says alternates between the families (RFC 8305 section 4).
    const addresses =
      resolution.source === 'endpoints' ? resolution.addresses : orderAddresses(resolution.addresses)
    const input = {
      record,
      allowed: settings.protocols,
      built: BUILT_PROTOCOLS,
      addresses,
      port: origin.port,
      attemptDelayMs,
    }
    return plan(input, clock.now())
  }

  async #connect(listener: ConnectionListener, signal: AbortSignal): Promise<Connection> {
    const { origin, settings, record, resolver, dialer, clock } = this.#config
    const startedAt = clock.now()
    const resolution = await resolver.resolve(origin.host, signal)
    const dnsMs = clock.now() - startedAt
    record.onResolved(resolution, clock.now())

    const { attempts, protocols } = this.plan(resolution)
    if (attempts.length === 0) {
      const reasons = protocols.map(({ protocol, because }) => `${protocol}: ${because}`).join('; ')
      throw new TransportError('MM_PROTOCOL_UNAVAILABLE', `no protocol is left for ${origin.key}: ${reasons}`)
    }
    const dialed = await dialer.dial(
      {
        origin,
        attempts,
        alpnProtocols: settings.protocols.filter((protocol: Protocol) => BUILT_PROTOCOLS.includes(protocol)),
        tls: settings.tls,
        timeouts: settings.timeouts,
        socket: settings.socket,
        dnsMs,
        onAttempts: made => record.onAttempts(made, clock.now()),
      },
      signal,
    )
    const { alpnProtocol, endpoint, handshake, offeredTicket } = dialed
    const connected = { protocol: alpnProtocol, endpoint: formatEndpoint(endpoint), handshake, offeredTicket }
    record.onConnected(connected, clock.now())

    dialed.socket.unref() // see ProcessHold
    lastConnectionId += 1
    const connection = new Http1Connection({
      id: lastConnectionId,
      socket: dialed.socket,
      port: dialed.readPort,
      endpoint,
      handshake,
      listener,
      limits: settings.limits,
      clock,
    })
    record.onCapacity(connection.capacity, alpnProtocol, clock.now())
    return connection
  }
}
