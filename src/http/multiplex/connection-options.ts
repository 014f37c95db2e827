import type { Clock } from '../../base/clock.ts'
import type { ConnectionListener, HandshakeInfo } from '../../base/events/connection.ts'
import type { Endpoint } from '../../base/http/endpoint.ts'
import type { Protocol } from '../../base/http/protocol.ts'
import type { UnreadProbe } from '../../base/socket/stream-socket.ts'
import type { Carrier, ClientSession, SessionHost } from './client-session.ts'

/** `Made`: the connection itself. */
export interface MultiplexedOptions<Made> {
  /** Unique in the process. */
  id: number
  protocol: Protocol
  endpoint: Endpoint
  handshake: HandshakeInfo
  listener: ConnectionListener
  maxInformational: number
  clock: Clock
  /** The version of a borrowed chunk that may be kept. */
  keep: (chunk: Buffer) => Buffer
  /**
   * Makes the session and starts it. The host receives nothing that needs an answer before this has returned.
   */
  start(host: SessionHost, now: number): { session: ClientSession; carrier: Carrier }
  /** A defence took effect: the name of its limit. */
  onDefence?: ((limit: string) => void) | undefined
  /** See Connection.altUsed. */
  altUsed?: string | undefined
  /** `originSet` has changed. */
  onOrigins?: ((connection: Made) => void) | undefined
  /**
   * Asked before a request is sent over the idle connection that cannot be sent twice. Left out: nobody is.
   */
  hasUnread?: UnreadProbe | undefined
}
