import type { Lane } from './lane.ts'

/** Exchanges over HTTP/3 after which the state of its way is read again. */
const PATH_EVERY = 16

export interface PathFigures {
  readonly rttMs: number
  /** Of the packets since the last reading, from 0 to 1; undefined: there were none, or it cannot be told. */
  readonly lossRatio: number | undefined
}

/** Reads now and then what QUIC measures of the way to the origin. */
export class PathReader {
  #exchanges = 0
  /** Packets so far, when they were looked at last. */
  #packets = { sent: 0, lost: 0 }

  /** An exchange over HTTP/3 has ended. Undefined: it is not time to look, or there is nothing to see. */
  onExchange(lane: Lane | undefined): PathFigures | undefined {
    this.#exchanges += 1
    return this.#exchanges % PATH_EVERY === 0 && lane !== undefined ? this.#read(lane) : undefined
  }

  #read({ connector, pool }: Lane): PathFigures | undefined {
    const paths = connector.pathsOf(pool.connections())
    const [first] = paths
    if (first === undefined) return undefined
    const sent = paths.reduce((sum, path) => sum + path.sentPackets, 0)
    const lost = paths.reduce((sum, path) => sum + path.lostPackets, 0)
    const news = { sent: sent - this.#packets.sent, lost: lost - this.#packets.lost }
    this.#packets = { sent, lost }
    // Connections that have ended took their figures with them.
    const isKnown = news.sent > 0 && news.lost >= 0
    return { rttMs: first.rttMs, lossRatio: isKnown ? Math.min(1, news.lost / news.sent) : undefined }
  }
}
