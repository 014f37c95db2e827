import type { BalancedEndpoint } from '../../balance/balancer.ts'
import type { Clock } from '../../base/clock.ts'
import { TransportError } from '../../base/errors.ts'
import type { Connection, ConnectionListener } from '../../base/events/connection.ts'
import type { Endpoint, Resolver } from '../../base/http/endpoint.ts'
import type { Origin } from '../../base/http/origin.ts'
import type { LaneName } from '../../base/http/protocol.ts'
import type { HealthOptions } from '../../base/options/health-options.ts'
import type { LocalAddress } from '../../connect/native/descriptor-socket.ts'
import type { CheckResult } from '../../health/check-state.ts'
import { MultiplexedConnection } from '../../http/multiplex/connection.ts'
import type { Pool } from '../../pool/pool.ts'
import type { OriginConnector } from '../connecting/origin-connector.ts'
import { connectTcpOnce } from '../probing/probe-with-timeout.ts'
import { checkOver } from './check-exchange.ts'

/** The connections of one endpoint that requests go over. */
type EndpointPool = Pick<Pool, 'connections' | 'lend'>

export interface EndpointProberParts {
  readonly origin: Origin
  readonly options: HealthOptions
  readonly clock: Clock
  /** Finds an endpoint. */
  readonly resolverOf: (address: string) => Resolver
  /** The lane that requests take now. */
  readonly laneName: () => LaneName
  /** Undefined: it has none. */
  readonly poolOf: (lane: LaneName, index: number) => EndpointPool | undefined
  /** What a connect to it leaves from. */
  readonly localOf: (endpoint: Endpoint) => LocalAddress | undefined
  /** Makes connections that are of no pool. */
  readonly makeConnector: (lane: LaneName) => OriginConnector
}

/**
 * Makes the active checks of an origin's endpoints, the way that its requests go. A check has no part in
 * the pool: it takes a stream of an open connection only where one is to spare, as a guest, and else a
 * connection of its own, so that no request waits for it, and none is counted.
 */
export class EndpointProber {
  readonly #parts: EndpointProberParts
  readonly #connectors = new Map<LaneName, OriginConnector>()

  constructor(parts: EndpointProberParts) {
    this.#parts = parts
  }

  /** Rejects when the check fails. */
  async probe({ index, address }: BalancedEndpoint, signal: AbortSignal): Promise<CheckResult> {
    const { options, laneName, poolOf, resolverOf } = this.#parts
    const resolver = resolverOf(address)
    if (options.check === 'tcp') return await this.#connectOverTcp(resolver, signal)
    const lane = laneName()
    const pool = options.connections === 'pooled' ? poolOf(lane, index) : undefined
    if (options.check === 'ping') return await this.#ping(openConnections(pool), lane, resolver, signal)
    const guest = this.#joinOne(pool)
    const connection = guest ?? (await this.#connect(lane, resolver, signal))
    try {
      return await checkOver(connection, this.#parts.origin, options, signal)
    } finally {
      connection.close('surplus')
    }
  }

  async #connectOverTcp(resolver: Resolver, signal: AbortSignal): Promise<CheckResult> {
    const { origin, options, clock } = this.#parts
    const [attempt] = this.#connectorOf('tcp').plan(await resolver.resolve(origin.host, signal))
    if (attempt === undefined)
      throw new TransportError('MM_PROTOCOL_UNAVAILABLE', 'no protocol of the origin goes over TCP')
    const { endpoint } = attempt
    const bounds = { clock, timeoutMs: options.timeoutMs, local: this.#parts.localOf(endpoint) }
    const connected = await connectTcpOnce(endpoint, bounds, signal)
    return 'found' in connected
      ? { isGood: true, because: `connected in ${connected.found.ms.toFixed(1)} ms` }
      : { isGood: false, because: 'fault' in connected ? connected.fault : connected.skipped }
  }

  async #ping(
    [open]: readonly MultiplexedConnection[],
    lane: LaneName,
    resolver: Resolver,
    signal: AbortSignal,
  ): Promise<CheckResult> {
    const connection = open ?? (await this.#connect(lane, resolver, signal))
    const { protocol } = connection
    try {
      if (protocol === 'http/1.1') return { isGood: true, because: 'took a connection over http/1.1' }
      await connection.ping(signal)
      return { isGood: true, because: `answered a PING over ${protocol}` }
    } finally {
      if (connection !== open) connection.close('surplus')
    }
  }

  /** A connection of its own. */
  #connect(lane: LaneName, resolver: Resolver, signal: AbortSignal): Promise<Connection> {
    const endpoint = { resolver, hasOthers: () => true, isPrivate: true }
    return this.#connectorOf(lane).connect(UNHEARD, signal, endpoint)
  }

  #connectorOf(lane: LaneName): OriginConnector {
    const known = this.#connectors.get(lane)
    if (known !== undefined) return known
    const made = this.#parts.makeConnector(lane)
    this.#connectors.set(lane, made)
    return made
  }

  /** A guest on a connection that has a stream free for which nobody waits. */
  #joinOne(pool: EndpointPool | undefined): Connection | undefined {
    const owner = this.#parts.origin.key
    for (const connection of openConnections(pool)) {
      const share = pool?.lend(connection)
      if (share === undefined) continue
      const { handshake, altUsed } = connection
      const sharedBy = { owner, because: 'a health check', handshake, isByOriginSet: false }
      const listener = { ...UNHEARD, onClosed: () => share.serve() }
      const guest =
        share.free === 0 ? undefined : connection.join({ listener, sharedBy, share, handshake, altUsed })
      if (guest === undefined) share.leave()
      else {
        share.take()
        return guest
      }
    }
    return undefined
  }
}

function openConnections(pool: EndpointPool | undefined): MultiplexedConnection[] {
  return [...(pool?.connections() ?? [])].filter(
    connection => connection instanceof MultiplexedConnection && connection.endedBy === undefined,
  ) as MultiplexedConnection[] // the filter says so
}

/** What happens to a connection for one check is seen by the check. */
const UNHEARD: ConnectionListener = {
  onCapacityChanged: () => {},
  onStreamClosed: () => {},
  onDraining: () => {},
  onClosed: () => {},
}
