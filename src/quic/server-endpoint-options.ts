import type { Clock } from '../base/clock.ts'
import type { QuicOptions } from '../base/options/protocol-options.ts'
import type { DrivenEngine } from './driven-connection.ts'
import type { QuicLink, QuicServerTls, UdpAddress } from './engine.ts'
import type { IdRoute } from './routed-ids.ts'

/**
 * What a ClientHello leads to:
 * - `incomplete`: more of it has to come
 * - `refused`: nobody here is called so
 * - `shown`: what its client is shown; `serverName` is whom it asked for
 */
export type HelloChoice =
  | { readonly kind: 'incomplete' | 'refused' }
  | { readonly kind: 'shown'; readonly tls: QuicServerTls; readonly serverName: string | undefined }

export interface ServerEndpointOptions {
  readonly engine: DrivenEngine
  readonly clock: Clock
  readonly local: UdpAddress
  /** A bound socket that was inherited, instead of a new one at `local`. It is closed with the endpoint. */
  readonly descriptor?: number | undefined
  /** For who names nobody, or whose ClientHello cannot be read before the engine reads it. */
  readonly tls: QuicServerTls
  /**
   * Called with the beginning of a ClientHello, maybe several times. Default: `tls` is for all, and nobody is
   * asked whom they ask for.
   */
  readonly choose?: (hello: Buffer) => HelloChoice
  readonly protocols: readonly string[]
  readonly quic: QuicOptions
  /**
   * A connection whose handshake is complete, or that reads early data. Its owner has to be set before this
   * returns.
   */
  readonly onConnection: (link: QuicLink, serverName: string | undefined) => void
  /**
   * Asked for each new connection, whose client has proven its address if it had to. Undefined: it is not
   * answered; else what to call when the connection has ended.
   */
  readonly admit?: (host: string) => (() => void) | undefined
  /**
   * Whether clients have to prove their address first, which costs them a round trip. Default `under-load`.
   */
  readonly retry?: 'never' | 'always' | 'under-load'
  /** More are not answered. Default 10,000. */
  readonly maxConnections?: number
  /**
   * Handshakes under way; more are not answered, and from the half on `under-load` asks for proof. Default
   * 1,000.
   */
  readonly maxHandshakes?: number
  /** A handshake that takes longer is given up. Default 10,000. */
  readonly handshakeTimeoutMs?: number
  /**
   * Clients may move to other addresses. With clients that are not yours a hostile one could hang the
   * process. Default false.
   */
  readonly allowsMigration?: boolean
  /**
   * Stateless resets are made with it (RFC 9000 10.3): an endpoint that has it again, after a crash, ends the
   * connections of before at once, instead of leaving their clients without an answer. Default: a random one.
   */
  readonly resetKey?: Buffer | undefined
  /** The socket is one of several of the address: see routed-ids.ts. Default: it is the only one. */
  readonly route?: IdRoute | undefined
}
