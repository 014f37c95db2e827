import type { CloseReason, Connection, HandshakeInfo } from '../base/events/connection.ts'
import type { Protocol } from '../base/http/protocol.ts'
import type { IdleHorizonFigures } from './rules/idle-horizon.ts'
import type { Slot } from './slot.ts'

/** What a pool shows of itself. All of it is counted as it happens. */
export interface PoolCounts {
  /**
   * How many are in each state. Those under verification count as idle, those that are being closed as
   * draining.
   */
  readonly connections: {
    readonly connecting: number
    readonly idle: number
    readonly leased: number
    readonly draining: number
  }
  /** The open ones of these by what they speak. */
  readonly byProtocol: ProtocolCounts
  /** Connections of other origins that carry requests of this one; they are in none of the figures above. */
  readonly coalesced: number
  readonly backingOff: boolean
  readonly waiters: number
  /** More requests come than are served: see PoolOptions.queueTargetMs. */
  readonly overloaded: boolean
  /** Exchanges under way. */
  readonly streams: number
  /**
   * Of the connections that are leased or draining, those that do not count against `maxConnections`: see
   * PoolOptions.maxStalledConnections.
   */
  readonly stalled: number
  // Totals since the pool was made
  readonly opened: {
    readonly full: number
    readonly resumed: number
    readonly earlyData: number
    readonly cleartext: number
  }
  /** By reason. */
  readonly closed: Readonly<Record<string, number>>
  readonly connectFailures: number
  /** Requests that made room for newer ones while the pool was overloaded. */
  readonly shed: number
  /** Requests that were refused for the sake of the origin's ceiling (`protection`). */
  readonly protectedRefusals: number
  /** Leases. */
  readonly requests: number
  /** Leases of connections that were leased before. */
  readonly reused: number
  /** How long the origin keeps idle connections, as it was seen. */
  readonly idleHorizon: IdleHorizonFigures
  /** One line per connection. */
  readonly list: readonly string[]
}

/** Of these, what tells how few connections carry the requests. */
export interface PoolCounters extends Pick<PoolCounts, 'requests' | 'opened' | 'closed'> {
  /** Connections that the origin ended while they were idle. */
  readonly idleEnds: number
}

export interface PoolLoad {
  readonly waiters: number
  readonly streams: number
  readonly starting: number
  /** How many more connections may be set aside; see stalled.ts. */
  readonly stalledPlaces: number
}

/** What a pool's size follows. */
export interface PoolDemand {
  /** Exchanges under way x ms, since the pool was made. */
  readonly streamMs: number
  /** Smoothed; 0 without PoolOptions.headroom. */
  readonly streams: number
  readonly rps: number
  /** Connections that are kept ready now. */
  readonly level: number
  /** Exchanges that one connection carries; undefined: not known yet. */
  readonly streamsPerConnection: number | undefined
}

const OPENED_AS = { none: 'cleartext', full: 'full', resumed: 'resumed', early_data: 'earlyData' } as const

/** Counts openings by handshake and ends by reason. */
export class PoolTally {
  readonly #opened = { full: 0, resumed: 0, earlyData: 0, cleartext: 0 }
  readonly #closed: Record<string, number> = {}

  onOpened(kind: HandshakeInfo['kind']): void {
    this.#opened[OPENED_AS[kind]] += 1
  }

  onClosed(reason: CloseReason): void {
    this.#closed[reason] = (this.#closed[reason] ?? 0) + 1
  }

  /** As they stand now. */
  get counts(): Pick<PoolCounts, 'opened' | 'closed'> {
    return { opened: { ...this.#opened }, closed: { ...this.#closed } }
  }
}

/** Counts leases, and requests and dials that came to nothing. */
export class RequestTally {
  #requests = 0
  #reused = 0
  #shed = 0
  #protected = 0
  #connectFailures = 0

  /** `reused`: the connection was leased before. */
  onLeased(reused: boolean): void {
    this.#requests += 1
    if (reused) this.#reused += 1
  }

  /** A lease came to nothing. */
  onLeaseUndone(reused: boolean): void {
    this.#requests -= 1
    if (reused) this.#reused -= 1
  }

  onShed(): void {
    this.#shed += 1
  }

  onProtected(): void {
    this.#protected += 1
  }

  onConnectFailed(): void {
    this.#connectFailures += 1
  }

  get counts(): Pick<PoolCounts, 'requests' | 'reused' | 'shed' | 'protectedRefusals' | 'connectFailures'> {
    return {
      requests: this.#requests,
      reused: this.#reused,
      shed: this.#shed,
      protectedRefusals: this.#protected,
      connectFailures: this.#connectFailures,
    }
  }
}

/**
 * The connections of a pool that speak one protocol. Those that are being made are in none: nobody knows what
 * they will speak.
 */
export interface ProtocolCount {
  idle: number
  leased: number
  draining: number
  /** Exchanges under way. */
  streams: number
  /**
   * Streams that may be open at once on the connections that take requests, by the peers' limits and ours.
   */
  capacity: number
}

/** Protocols of which there is a connection. */
export type ProtocolCounts = Readonly<Partial<Record<Protocol, Readonly<ProtocolCount>>>>

/**
 * Counts anew, for stats: a pool has few connections, and nobody asks often. Of other origins' connections
 * only the exchanges count.
 */
export function countByProtocol(
  slots: readonly Slot<{ readonly connection: Connection | undefined }>[],
): ProtocolCounts {
  const counts: Partial<Record<Protocol, ProtocolCount>> = {}
  for (const slot of slots) {
    const protocol = slot.link?.connection?.protocol
    if (protocol === undefined) continue
    const count = (counts[protocol] ??= { idle: 0, leased: 0, draining: 0, streams: 0, capacity: 0 })
    const { kind } = slot.state
    count.streams += slot.usedStreams
    if (slot.isGuest) continue
    if (kind === 'draining' || kind === 'closing') count.draining += 1
    else {
      if (kind === 'leased') count.leased += 1
      else count.idle += 1
      count.capacity += slot.streamLimit
    }
  }
  return counts
}

/** `#3 leased 2/100, 12 requests: ` and the connection's own line. */
export function describeSlot(slot: Slot<{ readonly connection: Connection | undefined }>): string {
  const connection = slot.link?.connection
  return connection === undefined ? 'connecting' : `${connection.toString()}: ${slot.stateText}`
}

/** The sum of the counts of two pools. */
export function addProtocolCounts(a: ProtocolCounts, b: ProtocolCounts): ProtocolCounts {
  const sum: Partial<Record<Protocol, ProtocolCount>> = { ...a }
  for (const protocol of Object.keys(b) as Protocol[] /* keys of the record */) {
    const one = sum[protocol]
    const other = b[protocol]
    if (one === undefined || other === undefined) {
      if (other !== undefined) sum[protocol] = { ...other }
      continue
    }
    sum[protocol] = {
      idle: one.idle + other.idle,
      leased: one.leased + other.leased,
      draining: one.draining + other.draining,
      streams: one.streams + other.streams,
      capacity: one.capacity + other.capacity,
    }
  }
  return sum
}
