import type { EndpointFigures } from '../balance/balancer.ts'
import type { EndpointBreakerFigures } from '../balance/endpoint-breakers.ts'
import type { MigrationOutcome, MigrationReport } from '../base/events/migration-report.ts'
import type { ObjectiveStatus } from '../base/events/objective.ts'
import type { LaneName, Protocol } from '../base/http/protocol.ts'
import type { FairBy } from '../base/options/protection-options.ts'
import type { PoolCounts } from '../pool/pool-counts.ts'
import { addProtocolCounts, type ProtocolCounts } from '../pool/pool-counts.ts'
import type { IdleHorizonFigures } from '../pool/rules/idle-horizon.ts'
import type { ShareFigures } from '../state/shares/share-keeper.ts'
import type { AdmissionFigures } from './admission/admission.ts'
import type { Economy } from './economy/economy-figures.ts'
import type { PoolSizing } from './economy/pool-sizing.ts'
import type { EgressFigures } from './egress/egress-counts.ts'
import type { EndpointNameFigures } from './endpoints/name-watch.ts'
import type { HedgingFigures } from './hedging/hedging.ts'
import type { HintFigures } from './hints/preconnect-hints.ts'
import type { ConnectionHandshake, HandshakeFigures } from './ledger/handshake-figures.ts'
import type { RetryBudgetFigures } from './retry-budget.ts'

/**
 * One pool as `stats()` and `GET /pools` show it.
 *
 * @example
 * ```ts
 * for (const { origin, connections, waiters, reuseRatio } of transport.stats().pools)
 *   console.log(origin, connections.leased, connections.idle, waiters, reuseRatio)
 * ```
 */
export interface PoolStats {
  origin: string
  /** How many are in each state. */
  connections: { connecting: number; idle: number; leased: number; draining: number }
  /**
   * The open ones by what they speak, with the exchanges under way on them, and the streams that may be
   * open at once on those that take requests. A protocol without a connection is left out.
   */
  byProtocol: ProtocolCounts
  /**
   * Connections of other origins that carry requests of this one (`coalesce`); they are in none of the
   * figures above but `streams`.
   */
  coalesced: number
  backingOff: boolean
  waiters: number
  /** More requests come than are served, and the newest go first: see PoolOptions.queueTargetMs. */
  overloaded: boolean
  streams: number
  /**
   * Of the connections that are leased or draining, those that do not count against `maxConnections`: see
   * PoolOptions.maxStalledConnections.
   */
  stalled: number
  /** Counters since the pool was made. */
  opened: { full: number; resumed: number; earlyData: number; cleartext: number }
  closed: Readonly<Record<string, number>>
  connectFailures: number
  /** Requests that made room for newer ones while the pool was overloaded. */
  shed: number
  /** Requests that were refused with MM_ORIGIN_PROTECTED. */
  protectedRefusals: number
  requests: number
  reused: number
  retries: number
  /**
   * Requests on a connection that had carried one before / requests; 0 before the first. Connections that
   * no request opened (warm ones, those of races and probes) have no part in it.
   */
  reuseRatio: number
  /**
   * Round trips and seconds of handshakes that were avoided, by all means together, by what handshakes cost
   * here: the sums of `handshakes.avoided`.
   */
  handshakeRttsSaved: number
  handshakeSecondsSaved: number
  /** What handshakes cost, what was avoided by which means, and what that comes to in a day. */
  handshakes: HandshakeFigures & {
    /** The open connections, but for those that are still in early data. */
    readonly connections: readonly ConnectionHandshake[]
  }
  /**
   * How the way to the origin is, over the open connections that measure it: those of HTTP/3, and those
   * over TCP where native calls can be made. Undefined: there is none.
   */
  path: PathHealth | undefined
  /** The same for each protocol. One without such a connection is left out. */
  pathByProtocol: PathsByProtocol
  /** What became of connections that moved to another path, or were to. */
  migrations: MigrationFigures
  /** How long the origin keeps connections that carry nothing, and what came of knowing it. */
  idleHorizon: IdleHorizonFigures
  /** How few connections carried the requests: over the last minute, the last hour, since the start. */
  economy: Economy
  /** Whether the objective of the origin is held, and what stands against it. */
  objective: ObjectiveStatus
  /** How many connections the demand needs, and how many are kept ready for it. */
  sizing: PoolSizing
  /** Bounds of the requests under way, and of those among them that were sent again: see BreakerOptions. */
  breakers: AdmissionFigures['breakers']
  /** The limit of concurrency that follows the origin; undefined: `concurrency.limit` is off. */
  concurrency: AdmissionFigures['concurrency']
  /** How many replays the origin may be sent: see RetryOptions. */
  retryBudget: RetryBudgetFigures
  /** Requests that were sent twice for being slow. Left out: `hedge` is off. */
  hedging?: HedgingFigures
  /** How the origin is protected. Undefined: it is not. */
  protection: ProtectionStatus | undefined
  /** Hints to preconnect that named the origin: see OriginOptions.preconnectHints. */
  hints: HintFigures
  /** One line per connection. */
  list: readonly string[]
  /** Where requests are spread over endpoints, how each stands, lane by lane. Left out: they are not. */
  endpoints?: readonly EndpointStats[]
  /** How the host names among them stand. Left out: there is none. */
  endpointNames?: readonly EndpointNameFigures[]
  /** What connections leave through, where the origin has an `egress`. Left out: it has none. */
  egress?: EgressFigures
}

/**
 * One endpoint of an origin, over one lane.
 *
 * @example
 * ```ts
 * for (const { endpoints = [] } of transport.stats().pools)
 *   for (const { address, state, because } of endpoints) console.log(address, state, because)
 * ```
 */
export interface EndpointStats extends Omit<EndpointFigures, 'state'> {
  /** `upgrades`: connections over HTTP/1.1 beside the lanes. */
  readonly lane: LaneName | 'upgrades'
  /** `leaving`: it is none any more, and its last requests are under way. */
  readonly state: EndpointFigures['state'] | 'leaving'
  /** Requests that it was given a connection for; a replay counts again. */
  readonly requests: number
  /** Requests that it carries or that wait for it. */
  readonly underWay: number
  readonly connections: number
  /** Why the last request went there. Undefined: none did. */
  readonly chosenBecause: string | undefined
  /** How it stands to the bounds of each endpoint, over all lanes. Left out: there are none. */
  readonly breakers?: EndpointBreakerFigures
}

/**
 * How an origin is protected (`protection`).
 *
 * @example
 * ```ts for (const { origin, protection } of transport.stats().pools) if (protection !== undefined)
 * console.log(origin, protection.holds, protection.share, protection.ceiling)
 * ```
 */
export interface ProtectionStatus {
  /** `protection.maxConnections`. */
  readonly ceiling: number
  /** What this process may have of it now. */
  readonly share: number
  /**
   * Connections that there are, those that are being made or ended and those of an earlier configuration
   * included.
   */
  readonly holds: number
  /** Connections that there is a use for. */
  readonly wants: number
  readonly fairBy: FairBy
  /** How the share stands; `all`: of all who have one. Undefined: the ceiling is this process' own. */
  readonly shared: ShareFigures | undefined
}

/** Moves of an origin's HTTP/3 connections to other paths. */
export interface MigrationFigures {
  /** Since the pool was made. */
  readonly outcomes: Readonly<Record<MigrationOutcome, number>>
  /** The last few, the oldest first. */
  readonly last: readonly { readonly connectionId: number; readonly report: MigrationReport }[]
}

/**
 * Where connections move to: an address and a port of this machine. The system chooses what is left out.
 *
 * @example
 * ```ts
 * await transport.migrate('https://origin.example', { address: '192.0.2.7' })
 * ```
 */
export interface MigrateOptions {
  address?: string | undefined
  /** With more than one connection to the same peer only one of them can have it. */
  port?: number | undefined
}

/**
 * What became of one connection that was to move.
 *
 * @example
 * ```ts
 * const results: readonly MigrationResult[] = await transport.migrate('https://origin.example')
 * for (const { connectionId, report, because } of results)
 *   console.log(connectionId, report?.outcome ?? 'not tried', because)
 * ```
 */
export interface MigrationResult {
  readonly connectionId: number
  readonly protocol: Protocol
  /** Undefined: it cannot move, and nothing was tried. */
  readonly report: MigrationReport | undefined
  /** One line that says why, for people. */
  readonly because: string
}

/**
 * How the requests to one origin stand now, over all its connections.
 *
 * @example
 * ```ts
 * const load = transport.load(parseOrigin('https://origin.example'))
 * if (load?.isFull && load.waiters > 100) console.log('busy')
 * ```
 */
export interface OriginLoad {
  /** Requests that wait for a connection. */
  readonly waiters: number
  /** Requests under way. */
  readonly streams: number
  /**
   * No connection can be added, and none is being made; of those whose readers stall none can be set aside.
   */
  readonly isFull: boolean
  /** Connections that were set aside: see PoolOptions.maxStalledConnections. */
  readonly stalled: number
}

/**
 * What the open connections of a pool have measured of their path, taken together.
 *
 * @example
 * ```ts
 * for (const { origin, path } of transport.stats().pools)
 *   if (path !== undefined) console.log(origin, path.rttMs, path.lossRatio)
 * ```
 */
export interface PathHealth {
  connections: number
  /** The mean of the smoothed round trips. */
  rttMs: number
  /**
   * Packets of ours that were lost / packets that were sent; for TCP segments with data, as far as they
   * were sent again and not in vain.
   */
  lossRatio: number
  /**
   * Packets that came behind a gap / packets that came: what a receiver sees of losses. One loss makes for
   * many of them. Undefined: it is not reported (HTTP/3).
   */
  outOfOrderRatio: number | undefined
}

/** PathHealth for each protocol that has a connection which measures it. */
export type PathsByProtocol = Partial<Record<Protocol, PathHealth>>

/** What the transport counts for an origin beside its pools. */
type EntryCounts = Pick<
  PoolStats,
  | 'retries'
  | 'handshakes'
  | 'path'
  | 'pathByProtocol'
  | 'migrations'
  | 'economy'
  | 'objective'
  | 'sizing'
  | 'breakers'
  | 'concurrency'
  | 'retryBudget'
  | 'hedging'
  | 'endpoints'
  | 'endpointNames'
  | 'protection'
  | 'hints'
> & {
  /**
   * Connections that were opened in early data, which the peer refused: what their handshakes turned out to
   * be.
   */
  readonly refusedEarly: { readonly full: number; readonly resumed: number }
}

/** One of an origin's pools. */
export interface LabeledCounts {
  /**
   * What sets its connections apart in the list, as ` (LABEL)` behind each; undefined: nothing has to be
   * said.
   */
  readonly label: string | undefined
  readonly counts: PoolCounts
}

/** Of a pool that did nothing. */
export const NO_COUNTS: PoolCounts = {
  connections: { connecting: 0, idle: 0, leased: 0, draining: 0 },
  byProtocol: {},
  coalesced: 0,
  backingOff: false,
  waiters: 0,
  overloaded: false,
  shed: 0,
  protectedRefusals: 0,
  streams: 0,
  stalled: 0,
  opened: { full: 0, resumed: 0, earlyData: 0, cleartext: 0 },
  closed: {},
  connectFailures: 0,
  requests: 0,
  reused: 0,
  idleHorizon: {
    keptMs: undefined,
    confidence: 0,
    closes: 0,
    idleEnds: 0,
    retired: 0,
    racesAvoided: 0,
    racesLost: 0,
  },
  list: [],
}

/**
 * The pools of one origin as one, in the order of the list: that it has several is nothing that a reader of
 * figures has to know.
 */
export function poolStats(
  origin: string,
  pools: readonly LabeledCounts[],
  { refusedEarly, ...entry }: EntryCounts,
): PoolStats {
  const counts = pools.reduce(addCounts, NO_COUNTS)
  const { full, resumed, earlyData, cleartext } = counts.opened
  const avoided = Object.values(entry.handshakes.avoided)
  return {
    origin,
    ...counts,
    opened: {
      full: full + refusedEarly.full,
      resumed: resumed + refusedEarly.resumed,
      earlyData: earlyData - refusedEarly.full - refusedEarly.resumed,
      cleartext,
    },
    ...entry,
    handshakeRttsSaved: avoided.reduce((sum, { roundTrips }) => sum + roundTrips, 0),
    handshakeSecondsSaved: avoided.reduce((sum, { seconds }) => sum + seconds, 0),
    reuseRatio: counts.requests === 0 ? 0 : counts.reused / counts.requests,
  }
}

function addCounts(a: PoolCounts, { label, counts: b }: LabeledCounts): PoolCounts {
  return {
    connections: addNumbers(a.connections, b.connections),
    byProtocol: addProtocolCounts(a.byProtocol, b.byProtocol),
    coalesced: a.coalesced + b.coalesced,
    backingOff: a.backingOff || b.backingOff,
    waiters: a.waiters + b.waiters,
    overloaded: a.overloaded || b.overloaded,
    shed: a.shed + b.shed,
    protectedRefusals: a.protectedRefusals + b.protectedRefusals,
    streams: a.streams + b.streams,
    stalled: a.stalled + b.stalled,
    opened: addNumbers(a.opened, b.opened),
    closed: addNumbers(a.closed, b.closed),
    connectFailures: a.connectFailures + b.connectFailures,
    requests: a.requests + b.requests,
    reused: a.reused + b.reused,
    idleHorizon: addHorizons(a.idleHorizon, b.idleHorizon),
    list: [...a.list, ...(label === undefined ? b.list : b.list.map(line => `${line} (${label})`))],
  }
}

/** The counts of several pools as those of one. */
export function sumCounts(pools: readonly PoolCounts[]): PoolCounts {
  return pools.map(counts => ({ label: undefined, counts })).reduce(addCounts, NO_COUNTS)
}

/** Of two pools: what the one with the shorter horizon learned, and what both counted. */
export function addHorizons(a: IdleHorizonFigures, b: IdleHorizonFigures): IdleHorizonFigures {
  const { keptMs, confidence, closes } = (b.keptMs ?? Infinity) < (a.keptMs ?? Infinity) ? b : a
  return {
    keptMs,
    confidence,
    closes,
    idleEnds: a.idleEnds + b.idleEnds,
    retired: a.retired + b.retired,
    racesAvoided: a.racesAvoided + b.racesAvoided,
    racesLost: a.racesLost + b.racesLost,
  }
}

function addNumbers<T extends Readonly<Record<keyof T, number>>>(a: T, b: T): T {
  const sum: Record<string, number> = { ...a }
  for (const [name, value] of Object.entries<number>(b)) sum[name] = (sum[name] ?? 0) + value
  return sum as T // the keys of both, and numbers
}
