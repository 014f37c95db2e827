import { CounterSet } from '../metrics/metric-types.ts'

/** Who opened a stream, or sent what is counted. */
export type SessionSide = 'client' | 'origin'

/**
 * What became of a session that a client asked for.
 * - `closed_by_client`, `closed_by_origin`: closed as sessions are
 * - `client_lost`, `origin_lost`: that side broke off, or broke the protocol
 * - `idle`: nothing went through it for too long
 * - `shutdown`: it was open when the drain had to end
 * - `refused`: the origin answered with another status than 2xx
 * - `unavailable`: the origin has no HTTP/3, or no WebTransport
 * - `limited`: the listener has as many sessions as it may have
 * - `failed`: it could not be opened for another reason, or the client went away before
 */
export type SessionResult =
  | 'closed_by_client'
  | 'closed_by_origin'
  | 'client_lost'
  | 'origin_lost'
  | 'idle'
  | 'shutdown'
  | 'refused'
  | 'unavailable'
  | 'limited'
  | 'failed'

/** What one side sent. */
export class SideTraffic {
  bidirectionalStreams = 0
  unidirectionalStreams = 0
  /** Of streams and datagrams. */
  bytes = 0
  datagrams = 0
  /** The other side did not keep up. */
  unreadDatagrams = 0
  /** They did not fit into a packet of the other side. */
  oversizedDatagrams = 0

  get streams(): number {
    return this.bidirectionalStreams + this.unidirectionalStreams
  }
}

/** What went through a session, or through all of an origin, by who sent it. */
export type SessionTraffic = Readonly<Record<SessionSide, SideTraffic>>

export function newTraffic(): SessionTraffic {
  return { client: new SideTraffic(), origin: new SideTraffic() }
}

/** The sessions with one origin since the start. */
export class SessionCounts {
  /** Now. */
  open = 0
  readonly results = new CounterSet<SessionResult>()
  readonly traffic = newTraffic()
}
