import { abortError } from '../base/errors.ts'
import type { CloseReason, Connection, ConnectionListener } from '../base/events/connection.ts'
import type { TransportEvent } from '../base/events/observer.ts'
import type { Resolver } from '../base/http/endpoint.ts'
import type { LaneName } from '../base/http/protocol.ts'
import type { PoolOptions } from '../base/options/options.ts'
import type { Pool, RequestPool } from '../pool/pool.ts'
import type { PoolDemand } from '../pool/pool-counts.ts'
import type { OwnPoolConfig, PoolPart } from '../pool/pools.ts'
import type { LimitName } from '../pool/rules/connection-budget.ts'
import type { KeptDemand, KeptHorizon } from '../select/record/origin-facts.ts'
import type { ConnectorPurpose } from './connecting/connector-config.ts'
import type { OriginConnector } from './connecting/origin-connector.ts'
import type { EconomyCounters } from './economy/economy-figures.ts'
import type { OriginEndpoints } from './endpoints/origin-endpoints.ts'
import { BalancedPool } from './lanes/balanced-pool.ts'
import { Lane } from './lanes/lane.ts'
import { Lanes, type LanesParts } from './lanes/lanes.ts'
import type { EndpointStats, LabeledCounts, OriginLoad } from './stats.ts'
import { UpgradeRoute, upgradePoolOptions } from './upgrade-route.ts'

/** What differs between the pools of an origin; the transport adds the rest. */
type OriginPoolConfig = Pick<
  OwnPoolConfig,
  | 'connector'
  | 'observer'
  | 'options'
  | 'expectedCapacity'
  | 'onCapacity'
  | 'spreadOver'
  | 'protection'
  | 'isFair'
  | 'maxWaiters'
  | 'maxWaitersOption'
  | 'within'
>

const PER_ENDPOINT: LimitName = {
  option: 'breakers.maxConnectionsPerEndpoint',
  whose: 'the connections to that endpoint',
}

/** See upgradePoolOptions: one connection of the origin is not for them. */
const OF_UPGRADES: LimitName = {
  option: 'pool.maxConnections',
  whose: 'the connections for upgrades, which leave one for requests',
}

function sumOf(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0)
}

export interface OriginPoolsParts {
  readonly lanes: Omit<LanesParts, 'makeLane'>
  readonly makeConnector: (purpose: ConnectorPurpose) => OriginConnector
  readonly makePool: (config: OriginPoolConfig) => Pool
  /** Undefined: the origin's pools are going away. */
  readonly makePoolBeside: (first: Pool, config: OriginPoolConfig) => Pool | undefined
  /** One of them is taken out of use: resolves when it is empty. */
  readonly endPool: (pool: Pool) => Promise<void>
  /** No connection can be added to any origin. */
  readonly isBudgetFull: () => boolean
  /** The ceiling of a protected origin leaves no place, neither beside it for those whose readers stall. */
  readonly isCeilingReached: () => boolean
  readonly observe: (event: TransportEvent, purpose: ConnectorPurpose) => void
  readonly random: () => number
  /** Those that requests are balanced over. Undefined: they are not. */
  readonly endpoints: OriginEndpoints | undefined
  /** Finds one of them. */
  readonly endpointResolver: (address: string) => Resolver
  /** The peer has reported what it allows: for HTTP/2 its SETTINGS came. */
  readonly onCapacity: (connection: Connection, lane: LaneName) => void
}

/** The pools of one origin: one for each of its lanes, and one for upgrades that go beside them. */
export class OriginPools {
  readonly lanes: Lanes
  readonly upgrades: UpgradeRoute
  readonly #parts: OriginPoolsParts
  /** Beside which all others are made. */
  #first: Pool | undefined

  constructor(parts: OriginPoolsParts) {
    this.#parts = parts
    this.#first = undefined
    this.lanes = new Lanes({ ...parts.lanes, makeLane: (name, first) => this.#makeLane(name, first) })
    this.upgrades = this.#upgradeRoute()
  }

  all(): RequestPool[] {
    const pools = Array.from(this.lanes, ({ pool }) => pool)
    return this.upgrades.pool === undefined ? pools : [...pools, this.upgrades.pool]
  }

  /** The open ones. */
  connections(): Connection[] {
    return this.all().flatMap(pool => [...pool.connections()])
  }

  /** Gives the connection no more exchanges, whichever pool has it. */
  retire(connection: Connection, reason: CloseReason): void {
    for (const pool of this.all()) pool.retire(connection, reason)
  }

  get load(): OriginLoad {
    let [waiters, streams, connections, starting, stalled, stalledPlaces] = [0, 0, 0, 0, 0, 0]
    for (const pool of this.all()) {
      const { load } = pool
      waiters += load.waiters
      streams += load.streams
      starting += load.starting
      connections += pool.counted
      stalled += pool.aside
      stalledPlaces = Math.max(stalledPlaces, load.stalledPlaces)
    }
    const { maxConnections } = this.#parts.lanes.settings.pool
    const hasReached = (maxConnections > 0 && connections >= maxConnections) || this.#parts.isBudgetFull()
    const isFull = (hasReached && stalledPlaces === 0) || this.#parts.isCeilingReached()
    return { waiters, streams, stalled, isFull: isFull && starting === 0 }
  }

  /** What all of them count together, without lists. */
  counters(now: number): Pick<EconomyCounters, 'requests' | 'opened' | 'idleEnds' | 'streamMs' | 'closed'> {
    let [requests, opened, idleEnds, streamMs] = [0, 0, 0, 0]
    const closed: Record<string, number> = {}
    for (const pool of this.all()) {
      const { counters } = pool
      requests += counters.requests
      opened += sumOf(counters.opened)
      idleEnds += counters.idleEnds
      streamMs += pool.demandAt(now).streamMs
      for (const [reason, count] of Object.entries(counters.closed)) {
        closed[reason] = (closed[reason] ?? 0) + count
      }
    }
    return { requests, opened, idleEnds, streamMs, closed }
  }

  /** Of the lane in use: how large its pool is to be, and what its connections carry. */
  demand(now: number): PoolDemand {
    return this.#inUse(now).demandAt(now)
  }

  /** What is worth keeping beyond the process, of the lane in use. */
  kept(now: number): { readonly horizon: KeptHorizon | undefined; readonly demand: KeptDemand | undefined } {
    const pool = this.#inUse(now)
    const { keptMs, confidence } = pool.idleHorizon
    const { streams, rps } = pool.demandAt(now)
    return {
      horizon: keptMs === undefined ? undefined : { keptMs, confidence },
      demand: streams === 0 ? undefined : { streams, rps },
    }
  }

  #inUse(now: number): RequestPool {
    return this.lanes.named(this.lanes.decision(now).lane).pool
  }

  /** How each endpoint stands, lane by lane. */
  endpointStats(): EndpointStats[] {
    const stats = Array.from(this.lanes, ({ name, balanced }) => balanced?.endpointStats(name) ?? []).flat()
    const { pool } = this.upgrades
    return pool instanceof BalancedPool ? [...stats, ...pool.endpointStats('upgrades')] : stats
  }

  counts(): LabeledCounts[] {
    const counts: LabeledCounts[] = Array.from(this.lanes, lane => ({
      label: lane === this.lanes.primary ? undefined : lane.name,
      counts: lane.pool.stats(),
    }))
    const upgrades = this.upgrades.pool?.stats()
    return upgrades === undefined ? counts : [...counts, { label: 'for upgrades', counts: upgrades }]
  }

  #makeLane(name: LaneName, first: Lane | undefined): Lane | undefined {
    const { makeConnector, observe, onCapacity, lanes } = this.#parts
    const connector = makeConnector(name)
    // One protocol that carries one request at a time: nothing has to be found out before the second dial.
    const isHttp1Only = connector.offered.every(protocol => protocol === 'http/1.1')
    const { select, reuse, protection } = lanes.settings
    const { pool } = lanes.settings
    const options = reuse === 'never' ? { ...pool, maxRequests: 1 } : pool
    const config: OriginPoolConfig = {
      connector,
      // A lane that is not in use needs no warm connections: Lanes says when it is.
      options: first === undefined ? options : { ...options, warm: 0 },
      expectedCapacity: isHttp1Only ? 1 : undefined,
      spreadOver: name === 'h2-spread' ? select.spreadConnections : 1,
      protection,
      isFair: protection.maxConnections > 0 && protection.fairBy !== 'none',
      observer: event => observe(event, name),
      onCapacity: connection => onCapacity(connection, name),
    }
    const made = this.#makePools(connector, name, config)
    return made === undefined ? undefined : new Lane(name, made, connector)
  }

  /** One pool, or one per endpoint. */
  #makePools(
    connector: OriginConnector,
    purpose: ConnectorPurpose,
    config: OriginPoolConfig,
  ): RequestPool | undefined {
    const { endpoints } = this.#parts
    return endpoints === undefined
      ? this.#makePool(config)
      : this.#makeBalanced(connector, endpoints, purpose, config)
  }

  /** The first one, or one more. */
  #makePool(config: OriginPoolConfig): Pool | undefined {
    const { makePool, makePoolBeside } = this.#parts
    if (this.#first !== undefined) return makePoolBeside(this.#first, config)
    this.#first = makePool(config)
    return this.#first
  }

  /** A pool per endpoint, all under the limits of the origin. */
  #makeBalanced(
    connector: OriginConnector,
    endpoints: OriginEndpoints,
    lane: ConnectorPurpose,
    config: OriginPoolConfig,
  ): BalancedPool | undefined {
    const { lanes, random, endpointResolver, endPool } = this.#parts
    const { origin, observer, settings } = lanes
    const { maxWaitersPerEndpoint } = settings.breakers
    if (settings.balance === undefined) return undefined // there would be no endpoints
    return BalancedPool.make({
      options: settings.balance.options,
      endpoints,
      clock: lanes.clock,
      random,
      onPanic: (isOn, because) => observer({ type: 'endpoint-panic', origin, lane, isOn, because }),
      pool: config.options,
      attemptDelayMs: settings.timeouts.attemptDelayMs,
      endPool,
      makePool: ({ address }, { hasOthers, warm, maxWaiters, observer: onEvent }) =>
        this.#makePool({
          ...config,
          connector: connector.at({ resolver: endpointResolver(address), hasOthers }),
          options: { ...config.options, warm },
          maxWaiters: maxWaitersPerEndpoint > 0 ? () => maxWaitersPerEndpoint : maxWaiters,
          ...(maxWaitersPerEndpoint > 0 && { maxWaitersOption: 'breakers.maxWaitersPerEndpoint' }),
          within: this.#limitOf(lane, address, config.options),
          observer: event => {
            onEvent(event)
            config.observer(event)
          },
        }),
      makeUnresolved: whenKnown =>
        this.#makePool({
          ...config,
          connector: {
            connect: (listener, signal) => connectWhenKnown(connector, whenKnown, listener, signal),
          },
          options: { ...config.options, warm: 0, headroom: 0 },
          expectedCapacity: Infinity, // one lookup for all who wait
        }),
    })
  }

  /**
   * What the pool of an endpoint shares beside the limit of the origin. A pool has one such limit: that of
   * the endpoint comes first, and upgrades over all endpoints have one where it is not set.
   */
  #limitOf(lane: ConnectorPurpose, address: string, { maxConnections }: PoolOptions): PoolPart {
    const { maxConnectionsPerEndpoint } = this.#parts.lanes.settings.breakers
    return lane === 'upgrades' && maxConnectionsPerEndpoint === 0
      ? { key: lane, maxConnections, name: OF_UPGRADES }
      : { key: address, maxConnections: maxConnectionsPerEndpoint, name: PER_ENDPOINT }
  }

  #upgradeRoute(): UpgradeRoute {
    const { makeConnector, observe, lanes } = this.#parts
    const { settings, record } = lanes
    const { primary } = this.lanes
    const isHttp1Only = primary.connector.offered.every(protocol => protocol === 'http/1.1')
    return new UpgradeRoute({
      record,
      main: primary.pool,
      hasDetour: !isHttp1Only && settings.protocols.includes('http/1.1'),
      makePool: () => {
        const connector = makeConnector('upgrades')
        return this.#makePools(connector, 'upgrades', {
          connector,
          options: upgradePoolOptions(settings.pool),
          expectedCapacity: 1,
          observer: event => observe(event, 'upgrades'),
          onCapacity: () => {},
        })
      },
    })
  }
}

/**
 * Connects to whatever endpoint comes first. Where the pools of the origin stay, the requests that wait for
 * it have gone to the endpoints by then, and it is given up.
 */
async function connectWhenKnown(
  connector: OriginConnector,
  whenKnown: () => Promise<void>,
  listener: ConnectionListener,
  signal: AbortSignal,
): Promise<Connection> {
  await whenKnown()
  if (signal.aborted) throw abortError(signal, 'the lookup')
  return await connector.connect(listener, signal)
}
