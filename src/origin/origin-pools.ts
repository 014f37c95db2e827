import { EndpointBreakers } from '../balance/endpoint-breakers.ts'
import type { CloseReason, Connection } from '../base/events/connection.ts'
import type { TransportEvent } from '../base/events/observer.ts'
import type { Resolver } from '../base/http/endpoint.ts'
import type { LaneName } from '../base/http/protocol.ts'
import { EndpointHealth } from '../health/endpoint-health.ts'
import type { Pool, RequestPool } from '../pool/pool.ts'
import type { PoolDemand } from '../pool/pool-counts.ts'
import type { OwnPoolConfig } from '../pool/pools.ts'
import type { LimitName } from '../pool/rules/connection-budget.ts'
import type { KeptDemand, KeptHorizon } from '../select/record/origin-facts.ts'
import { RefusalNews } from './admission/refusal-news.ts'
import type { ConnectorConfig, OriginConnector } from './connecting/origin-connector.ts'
import type { EconomyCounters } from './economy/economy-figures.ts'
import { BalancedPool, shareOf } from './lanes/balanced-pool.ts'
import { Lane } from './lanes/lane.ts'
import { Lanes, type LanesParts } from './lanes/lanes.ts'
import type { EndpointBalance } from './origin-settings.ts'
import type { LabeledCounts, OriginLoad } from './stats.ts'
import { UpgradeRoute, upgradePoolOptions } from './upgrade-route.ts'

/** What the connections of a pool are for: a lane, or upgrades beside the lanes. */
export type PoolPurpose = ConnectorConfig['purpose']

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
  | 'maxWaitersOption'
  | 'within'
>

const PER_ENDPOINT: LimitName = {
  option: 'breakers.maxConnectionsPerEndpoint',
  whose: 'the connections to that endpoint',
}

function sumOf(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0)
}

export interface OriginPoolsParts {
  readonly lanes: Omit<LanesParts, 'makeLane'>
  readonly makeConnector: (purpose: PoolPurpose) => OriginConnector
  readonly makePool: (config: OriginPoolConfig) => Pool
  /** Undefined: the origin's pools are going away. */
  readonly makePoolBeside: (first: Pool, config: OriginPoolConfig) => Pool | undefined
  /** No connection can be added to any origin. */
  readonly isBudgetFull: () => boolean
  /** The ceiling of a protected origin leaves no place, neither beside it for those whose readers stall. */
  readonly isCeilingReached: () => boolean
  readonly observe: (event: TransportEvent, purpose: PoolPurpose) => void
  readonly random: () => number
  /** Finds one configured endpoint. */
  readonly endpointResolver: (address: string) => Resolver
  /** The peer has reported what it allows: for HTTP/2 its SETTINGS came. */
  readonly onCapacity: (connection: Connection, lane: LaneName) => void
}

/** The pools of one origin: one for each of its lanes, and one for upgrades that go beside them. */
export class OriginPools {
  readonly lanes: Lanes
  readonly upgrades: UpgradeRoute
  /** Of the endpoints that requests are balanced over. Undefined: they are not. */
  readonly health: EndpointHealth | undefined
  /** Of the same endpoints. Undefined: they have no bounds of their own. */
  readonly #breakers: EndpointBreakers | undefined
  readonly #parts: OriginPoolsParts
  /** Beside which all others are made. */
  #first: Pool | undefined

  constructor(parts: OriginPoolsParts) {
    this.#parts = parts
    this.#first = undefined
    this.health = endpointHealth(parts)
    this.#breakers = endpointBreakers(parts)
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
    const { balance } = lanes.settings
    const made =
      balance === undefined || this.health === undefined
        ? this.#makePool(config)
        : this.#makeBalanced(connector, { balance, health: this.health }, name, config)
    return made === undefined ? undefined : new Lane(name, made, connector)
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
    { balance, health }: { readonly balance: EndpointBalance; readonly health: EndpointHealth },
    name: LaneName,
    config: OriginPoolConfig,
  ): BalancedPool | undefined {
    const { lanes, random, endpointResolver } = this.#parts
    const { origin, observer } = lanes
    const count = balance.endpoints.length
    const { warm, maxWaiters } = config.options
    const { maxWaitersPerEndpoint, maxConnectionsPerEndpoint } = lanes.settings.breakers
    return BalancedPool.make({
      ...balance,
      clock: lanes.clock,
      random,
      health,
      breakers: this.#breakers,
      onPanic: (isOn, because) => observer({ type: 'endpoint-panic', origin, lane: name, isOn, because }),
      pool: config.options,
      attemptDelayMs: lanes.settings.timeouts.attemptDelayMs,
      makePool: ({ address }, index, hooks) =>
        this.#makePool({
          ...config,
          connector: connector.at({ resolver: endpointResolver(address), hasOthers: hooks.hasOthers }),
          options: {
            ...config.options,
            warm: shareOf(warm, count, index),
            maxWaiters: maxWaitersPerEndpoint > 0 ? maxWaitersPerEndpoint : Math.ceil(maxWaiters / count),
          },
          ...(maxWaitersPerEndpoint > 0 && { maxWaitersOption: 'breakers.maxWaitersPerEndpoint' }),
          within: { key: address, maxConnections: maxConnectionsPerEndpoint, name: PER_ENDPOINT },
          observer: event => {
            hooks.observer(event)
            config.observer(event)
          },
        }),
    })
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
      makePool: () =>
        this.#makePool({
          connector: makeConnector('upgrades'),
          options: upgradePoolOptions(settings.pool),
          expectedCapacity: 1,
          observer: event => observe(event, 'upgrades'),
          onCapacity: () => {},
        }),
    })
  }
}

/** Undefined: there is one endpoint, or each connect tries them in order. */
function endpointHealth({ lanes, random }: OriginPoolsParts): EndpointHealth | undefined {
  const { origin, settings, clock, observer } = lanes
  const { balance, outlier, health } = settings
  if (balance === undefined) return undefined
  const { endpoints } = balance
  return new EndpointHealth(
    {
      count: endpoints.length,
      outlier,
      checks: health,
      random,
      onChange: ({ index, standing, because }) => {
        const endpoint = endpoints[index]?.address ?? ''
        observer({ type: 'endpoint-health', origin, endpoint, standing, because })
      },
    },
    clock.now(),
  )
}

/** Undefined: the endpoints have no bounds of their own, or each connect tries them in order. */
function endpointBreakers({ lanes }: OriginPoolsParts): EndpointBreakers | undefined {
  const { origin, settings, clock, observer } = lanes
  if (settings.balance === undefined) return undefined
  const news = new RefusalNews((by, limit) => observer({ type: 'requests-refused', origin, by, limit }))
  return EndpointBreakers.of({
    count: settings.balance.endpoints.length,
    options: settings.breakers,
    onRefused: (by, limit) => news.onRefused(`endpoint-${by}`, limit, clock.now()),
  })
}
