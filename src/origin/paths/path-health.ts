import type { Connection, PathStats } from '../../base/events/connection.ts'
import type { Protocol } from '../../base/http/protocol.ts'
import type { MeasuredPath } from '../connecting/origin-connector.ts'
import type { Lane } from '../lanes/lane.ts'
import type { PathHealth, PathsByProtocol } from '../stats.ts'

/** Exchanges over a lane after which the state of its way is read again. */
const PATH_EVERY = 16
/**
 * Nor is it read more often: at a hundred thousand exchanges a second the readings alone took 3 % of the CPU,
 * and the way had not changed between them.
 */
const MIN_PAUSE_MS = 50
/**
 * What one reading looks at, at the most: a lane of HTTP/1.1 may have hundreds of connections, and each costs
 * a system call.
 */
const MAX_CONNECTIONS = 16

interface PathReading {
  /** The one that sent most since it was read last, and what it tells. */
  readonly connection: Connection
  readonly stats: PathStats
  /**
   * Of the packets since the last reading, on all connections that were read, from 0 to 1; undefined: there
   * were none.
   */
  readonly lossRatio: number | undefined
  /**
   * Likewise of what was received: the share that came behind a gap; undefined: nothing came, or it is not
   * told.
   */
  readonly outOfOrderRatio: number | undefined
}

type Counts = Pick<PathStats, 'sentPackets' | 'lostPackets' | 'receivedPackets' | 'outOfOrderPackets'>

const NOTHING: Counts = { sentPackets: 0, lostPackets: 0, receivedPackets: 0 }

/** Reads now and then what connections of one lane have measured of the way to the origin. */
export class PathReader {
  #exchanges = 0
  #readAt = Number.NEGATIVE_INFINITY
  /** Of each connection, when it was looked at last. */
  readonly #counts = new WeakMap<Connection, Counts>()
  /** Where the next reading begins among them. */
  #next = 0

  /** An exchange over the lane has ended. Undefined: it is not time to look, or there is nothing to see. */
  onExchange(lane: Lane | undefined, now: number): PathReading | undefined {
    this.#exchanges += 1
    if (this.#exchanges < PATH_EVERY || now - this.#readAt < MIN_PAUSE_MS || lane === undefined)
      return undefined
    this.#exchanges = 0
    this.#readAt = now
    return this.#read(lane)
  }

  #read({ connector, pool }: Lane): PathReading | undefined {
    let busiest: MeasuredPath | undefined
    let most = -1
    let sent = 0
    let lost = 0
    let received = 0
    let outOfOrder = 0
    for (const path of connector.pathsOf(this.#turn([...pool.connections()]))) {
      const { connection, stats } = path
      const { sentPackets, lostPackets, receivedPackets, outOfOrderPackets } = stats
      const before = this.#counts.get(connection) ?? NOTHING
      this.#counts.set(connection, { sentPackets, lostPackets, receivedPackets, outOfOrderPackets })
      const sentSince = sentPackets - before.sentPackets
      sent += sentSince
      // Less than before: what was counted as lost turned out to have arrived.
      lost += Math.max(0, lostPackets - before.lostPackets)
      if (outOfOrderPackets !== undefined) {
        received += receivedPackets - before.receivedPackets
        outOfOrder += outOfOrderPackets - (before.outOfOrderPackets ?? 0)
      }
      if (sentSince <= most) continue
      busiest = path
      most = sentSince
    }
    if (busiest === undefined) return undefined
    const lossRatio = sent > 0 ? Math.min(1, lost / sent) : undefined
    const outOfOrderRatio = received > 0 ? Math.min(1, outOfOrder / received) : undefined
    return { ...busiest, lossRatio, outOfOrderRatio }
  }

  /** All of them, or as many as one reading takes, in turns. */
  #turn(all: readonly Connection[]): readonly Connection[] {
    if (all.length <= MAX_CONNECTIONS) return all
    const start = this.#next % all.length
    this.#next = start + MAX_CONNECTIONS
    return [...all, ...all].slice(start, this.#next)
  }
}

/** The figures of several connections as one; undefined when there is none. */
export function pathHealth(all: readonly MeasuredPath[]): PathHealth | undefined {
  if (all.length === 0) return undefined
  let rttMs = 0
  let lost = 0
  let sent = 0
  let outOfOrder = 0
  let received = 0
  for (const { stats } of all) {
    rttMs += stats.rttMs
    lost += stats.lostPackets
    sent += stats.sentPackets
    if (stats.outOfOrderPackets === undefined) continue
    outOfOrder += stats.outOfOrderPackets
    received += stats.receivedPackets
  }
  return {
    connections: all.length,
    rttMs: rttMs / all.length,
    // A SYN that is sent again counts as lost, and not as data that was sent.
    lossRatio: sent === 0 ? 0 : Math.min(1, lost / sent),
    outOfOrderRatio: received === 0 ? undefined : outOfOrder / received,
  }
}

/** The same for each protocol that has connections. */
export function pathsByProtocol(all: readonly MeasuredPath[]): PathsByProtocol {
  const paths: Partial<Record<Protocol, MeasuredPath[]>> = {}
  for (const path of all) (paths[path.connection.protocol] ??= []).push(path)
  const byProtocol: PathsByProtocol = {}
  for (const [protocol, measured] of Object.entries(paths)) {
    const health = pathHealth(measured)
    if (health !== undefined) byProtocol[protocol as Protocol] = health // the keys of that record
  }
  return byProtocol
}
