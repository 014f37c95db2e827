import { containFault, guardedPromise } from '../../base/guard.ts'
import { LANE_NAMES, type LaneName } from '../../base/http/protocol.ts'
import type { RequestPool } from '../../pool/pool.ts'
import type { OriginConnector } from '../connecting/origin-connector.ts'
import { BalancedPool } from './balanced-pool.ts'

/** One lane of an origin: its pool, and who makes its connections. */
export class Lane {
  readonly name: LaneName
  readonly pool: RequestPool
  readonly connector: OriginConnector
  /** The same pool, where it spreads requests over endpoints. */
  readonly balanced: BalancedPool | undefined
  /** Exchanges under way on it. */
  streams = 0

  constructor(name: LaneName, pool: RequestPool, connector: OriginConnector) {
    this.name = name
    this.pool = pool
    this.connector = connector
    this.balanced = pool instanceof BalancedPool ? pool : undefined
  }
}

/**
 * Makes a lane of the origin; `first` is the one that was made first. Undefined: its pools are going away.
 */
export type MakeLane = (name: LaneName, first: Lane | undefined) => Lane | undefined

/** The lanes of an origin that were made so far; others are made when they are asked for. */
export class LaneSet {
  /** The lane that the origin always has. */
  readonly primary: Lane
  readonly #make: MakeLane
  readonly #lanes = new Map<LaneName, Lane>()

  constructor(primary: LaneName, make: MakeLane) {
    const made = make(primary, undefined)
    if (made === undefined) throw new Error('an origin without a pool') // the first one is always made
    this.primary = made
    this.#make = make
    this.#lanes.set(primary, made)
  }

  /** Undefined: it was not made yet. */
  get(name: LaneName): Lane | undefined {
    return this.#lanes.get(name)
  }

  /** Makes it, if it is not there. The primary one when it cannot be made any more. */
  named(name: LaneName): Lane {
    const known = this.#lanes.get(name)
    if (known !== undefined) return known
    const made = this.#make(name, this.primary)
    if (made === undefined) return this.primary
    this.#lanes.set(name, made)
    return made
  }

  *[Symbol.iterator](): Iterator<Lane> {
    for (const name of LANE_NAMES) {
      const lane = this.#lanes.get(name)
      if (lane !== undefined) yield lane
    }
  }
}

/** Who is notified of what became of the connections for a trial. */
export interface TrialHost {
  onTrialReady(lane: LaneName): void
  /** `because` is for people. */
  onTrialUnavailable(lane: LaneName, because: string): void
}

/** Makes connections of lanes in the background, for which nobody waits. */
export class LanePreparation {
  readonly #lanes: LaneSet
  readonly #host: TrialHost
  /** Those that make() is at. */
  readonly #making = new Set<LaneName>()

  constructor(lanes: LaneSet, host: TrialHost) {
    this.#lanes = lanes
    this.#host = host
  }

  /** Makes one ready where there is none; once at a time. */
  make(name: LaneName): void {
    if (this.#making.has(name)) return
    const lane = this.#lanes.named(name)
    if (lane.name !== name || lane.pool.live > 0) return
    this.#making.add(name)
    const ended = (): void => {
      this.#making.delete(name)
    }
    guardedPromise('preparing a lane', lane.pool.preconnect(1).then(ended, ended)) // the connector reports it
  }

  /** Makes so many ready for a trial, and says how it went. */
  makeForTrial(name: LaneName, connections: number): void {
    const lane = this.#lanes.named(name)
    if (lane.name !== name) {
      this.#host.onTrialUnavailable(name, 'the pools of the origin are going away')
      return
    }
    const settled = lane.pool.preconnect(connections).then(
      () => {
        if (lane.pool.live > 0) this.#host.onTrialReady(name)
        else this.#host.onTrialUnavailable(name, 'pool.maxConnections leaves no connection for it')
      },
      (error: Error) => this.#host.onTrialUnavailable(name, error.message),
    )
    const during = 'preparing a trial'
    guardedPromise(
      during,
      settled.catch((error: unknown) =>
        // A trial that waits for connections would keep its place for ever.
        containFault(during, error, fault => this.#host.onTrialUnavailable(name, fault.message)),
      ),
    )
  }
}
