import type { Clock } from '../clock.ts'
import type { ConnectionListener, HandshakeInfo } from '../connection.ts'
import type { Endpoint } from '../endpoint.ts'
import { MultiplexedConnection } from '../multiplex/connection.ts'
import type { Http3Options, QuicOptions, ResponseLimits } from '../options.ts'
import type { QuicHandshake, QuicLink } from '../quic/engine.ts'
import type { Settings } from './settings.ts'

export interface Http3ConnectionOptions {
  /** Unique in the process. */
  id: number
  /** Established, or in early data. */
  link: QuicLink
  endpoint: Endpoint
  /** Written on: what early data became is known only later. */
  handshake: HandshakeInfo
  listener: ConnectionListener
  limits: ResponseLimits
  http3: Http3Options
  quic: QuicOptions
  clock: Clock
  /** What came with the ticket that was offered. */
  rememberedSettings?: Settings | undefined
  /** The handshake is complete, if it was not before. */
  onHandshake?: ((handshake: QuicHandshake) => void) | undefined
  /** Something to resume with: for the ticket store, as encodeTicket made it. */
  onTicket?: ((ticket: Buffer) => void) | undefined
  /** A defence took effect: the name of its limit. */
  onDefence?: ((limit: string) => void) | undefined
}
