import type { Socket } from 'node:net'
import type { Clock } from '../clock.ts'
import type { Connection, ConnectionListener, HandshakeInfo } from '../connection.ts'
import type { Endpoint } from '../endpoint.ts'
import { Http1Connection } from '../http1/connection.ts'
import { Http2Connection } from '../http2/connection.ts'
import type { Protocol } from '../protocol.ts'
import type { ReadPort } from '../read-port.ts'
import type { OriginSettings } from './origin-settings.ts'

export interface ConnectionParts {
  readonly socket: Socket
  readonly port: ReadPort
  readonly endpoint: Endpoint
  readonly handshake: HandshakeInfo
  readonly listener: ConnectionListener
  readonly settings: Pick<OriginSettings, 'limits' | 'http2'>
  readonly clock: Clock
  /** HTTP/2: an ALTSVC frame came. `origin` is '' when it stands for the origin of the connection. */
  readonly onAltSvc: (origin: string, value: string) => void
  /** HTTP/2: the limit of that name took effect. */
  readonly onDefence: (limit: string) => void
}

/** Connections of the whole process are numbered in the order in which they were made. */
let lastConnectionId = 0

/** Puts the protocol that was agreed on over a connected socket. */
export function makeConnection(protocol: Protocol, parts: ConnectionParts): Connection {
  const { socket, port, endpoint, handshake, listener, settings, clock } = parts
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
  }
  if (protocol !== 'h2') return new Http1Connection(common)
  const { onAltSvc, onDefence } = parts
  return new Http2Connection({ ...common, http2: settings.http2, onAltSvc, onDefence })
}
