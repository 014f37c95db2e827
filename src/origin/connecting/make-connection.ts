import type { Clock } from '../../base/clock.ts'
import type { Connection, ConnectionListener, HandshakeInfo } from '../../base/events/connection.ts'
import type { EarlyGate } from '../../base/http/early-gate.ts'
import type { Endpoint } from '../../base/http/endpoint.ts'
import type { Protocol } from '../../base/http/protocol.ts'
import type { Http2Options } from '../../base/options/protocol-options.ts'
import type { ReadPort } from '../../base/socket/read-port.ts'
import type { StreamSocket, UnreadProbe } from '../../base/socket/stream-socket.ts'
import { Http1Connection } from '../../http/http1/connection.ts'
import { http2Connection } from '../../http/http2/connection.ts'
import { type Http3ConnectionOptions, http3Connection } from '../../http/http3/connection.ts'
import type { MultiplexedConnection } from '../../http/multiplex/connection.ts'
import type { OriginSettings } from '../origin-settings.ts'

export interface ConnectionParts {
  readonly socket: StreamSocket
  readonly port: ReadPort
  readonly endpoint: Endpoint
  readonly handshake: HandshakeInfo
  readonly listener: ConnectionListener
  readonly settings: Pick<OriginSettings, 'limits' | 'http2' | 'liveness'>
  readonly clock: Clock
  /** The TLS handshake is under way. */
  readonly early: EarlyGate | undefined
  /** HTTP/2: the streams that the origin allowed on an earlier connection. Undefined: nobody knows. */
  readonly knownStreams: number | undefined
  readonly hasUnread: UnreadProbe
  /** HTTP/2: an ALTSVC frame came. `origin` is '' when it stands for the origin of the connection. */
  readonly onAltSvc: (origin: string, value: string) => void
  /** HTTP/2: the limit of that name took effect. */
  readonly onDefence: (limit: string) => void
  readonly onOrigins: (connection: MultiplexedConnection) => void
}

/** However many streams an origin allows: so many may have to be sent again. */
const MAX_EARLY_STREAMS = 100

/** Connections of the whole process are numbered in the order in which they were made. */
let lastConnectionId = 0

/** Puts the protocol that was agreed on over a connected socket. */
export function makeConnection(protocol: Protocol, parts: ConnectionParts): Connection {
  const { socket, port, endpoint, handshake, listener, settings, clock, early } = parts
  lastConnectionId += 1
  const common = {
    id: lastConnectionId,
    socket,
    port,
    endpoint,
    handshake,
    listener,
    limits: settings.limits,
    clock,
    early,
    hasUnread: parts.hasUnread,
  }
  if (protocol !== 'h2') return new Http1Connection(common)
  const { knownStreams, onAltSvc, onDefence, onOrigins } = parts
  const http2 = { ...settings.http2, streamsBeforeSettings: earlyStreams(settings.http2, knownStreams) }
  const { liveness } = settings
  return http2Connection({ ...common, http2, liveness, onAltSvc, onDefence, onOrigins })
}

export type Http3Parts = Omit<
  Http3ConnectionOptions,
  'id' | 'limits' | 'http3' | 'quic' | 'liveness' | 'webTransport' | 'httpDatagrams'
> & {
  readonly settings: Pick<
    OriginSettings,
    'limits' | 'http3' | 'quic' | 'liveness' | 'webTransport' | 'httpDatagrams'
  >
}

/** Puts HTTP/3 over a QUIC connection. */
export function makeHttp3Connection({ settings, ...parts }: Http3Parts): Connection {
  lastConnectionId += 1
  const { limits, http3, quic, liveness, webTransport, httpDatagrams } = settings
  const offers = { webTransport, httpDatagrams }
  return http3Connection({ ...parts, id: lastConnectionId, limits, http3, quic, liveness, ...offers })
}

/**
 * What is opened before the peer's SETTINGS have come: a handful, unless the origin is known, since waiting
 * costs the rest a round trip. Where the origin allows less than it did, it refuses what is too much, and
 * that is sent again.
 */
function earlyStreams({ streamsBeforeSettings }: Http2Options, knownStreams: number | undefined): number {
  if (streamsBeforeSettings === 0 || knownStreams === undefined) return streamsBeforeSettings
  return Math.max(streamsBeforeSettings, Math.min(knownStreams, MAX_EARLY_STREAMS))
}
