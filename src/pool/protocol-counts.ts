import type { Connection } from '../base/events/connection.ts'
import type { Protocol } from '../base/http/protocol.ts'
import type { Slot } from './slot.ts'

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

/** Counts anew, for stats: a pool has few connections, and nobody asks often. */
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
    if (kind === 'draining' || kind === 'closing') count.draining += 1
    else {
      if (kind === 'leased') count.leased += 1
      else count.idle += 1
      count.capacity += slot.streamLimit
    }
  }
  return counts
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
