import type { Clock } from '../../base/clock.ts'
import type { TransportError } from '../../base/errors.ts'
import type { ConnectionListener, HandshakeInfo } from '../../base/events/connection.ts'
import { guardedListener } from '../../base/guard.ts'
import { type EarlyGate, isUnderWay } from '../../base/http/early-gate.ts'
import type { Endpoint } from '../../base/http/endpoint.ts'
import type { ResponseLimits } from '../../base/options/options.ts'
import type { Http2Options, LivenessOptions } from '../../base/options/protocol-options.ts'
import { ReadPort } from '../../base/socket/read-port.ts'
import { whenSocketClosed } from '../../base/socket/socket-ending.ts'
import type { StreamSocket, UnreadProbe } from '../../base/socket/stream-socket.ts'
import type { SessionHost } from '../multiplex/client-session.ts'
import { MultiplexedConnection } from '../multiplex/connection.ts'
import { attachSocket, ConnectionOutput } from './connection-output.ts'
import { Http2Session } from './http2-session.ts'
import type { Http2SessionEvents } from './session.ts'

export interface Http2ConnectionOptions {
  /** Unique in the process. */
  id: number
  /** Connected, and past its TLS handshake unless `early` says otherwise. */
  socket: StreamSocket
  /** The port that the socket was made with. Without one it is read by 'data' events. */
  port?: ReadPort | undefined
  endpoint: Endpoint
  handshake: HandshakeInfo
  listener: ConnectionListener
  limits: ResponseLimits
  http2: Http2Options
  /** Default: nobody asks. */
  liveness?: LivenessOptions | undefined
  clock: Clock
  /** The handshake is under way: what is opened at once leaves in early data. */
  early?: EarlyGate | undefined
  /** ALTSVC frames (RFC 7838 4); `origin` is '' for the origin of the connection. */
  onAltSvc?: ((origin: string, value: string) => void) | undefined
  /** A defence took effect: the name of its limit. */
  onDefence?: ((limit: string) => void) | undefined
  /** See MultiplexedOptions. */
  onOrigins?: ((connection: MultiplexedConnection) => void) | undefined
  /** The id of the first stream; odd, default 1. For tests of what happens at the end of the ids. */
  firstStreamId?: number
  /** See MultiplexedOptions. */
  hasUnread?: UnreadProbe | undefined
}

/** RFC 9113 5.1.1: ids are 31 bits. */
const MAX_STREAM_ID = 2 ** 31 - 1

/** HTTP/2 towards an origin: a client session over a socket. */
export function http2Connection(options: Http2ConnectionOptions): MultiplexedConnection {
  const { socket, limits, clock } = options
  const port = options.port ?? ReadPort.over(socket)
  const keep = (chunk: Buffer): Buffer => port.keep(chunk)
  return new MultiplexedConnection({
    id: options.id,
    protocol: 'h2',
    endpoint: options.endpoint,
    handshake: options.handshake,
    listener: options.listener,
    maxInformational: limits.maxInformational,
    clock,
    keep,
    onDefence: options.onDefence,
    onOrigins: options.onOrigins,
    hasUnread: options.hasUnread,
    start: (host, now) => {
      const session = new Http2Session({
        role: 'client',
        options: options.http2,
        liveness: options.liveness,
        maxHeaderBytes: limits.maxHeaderBytes,
        maxHeaderCount: limits.maxHeaderCount,
        enableConnectProtocol: false,
        events: sessionEvents(host, options, () => output.schedule()),
        ...(options.firstStreamId === undefined ? {} : { firstStreamId: options.firstStreamId }),
        early: options.early,
      })
      const onFault = (error: TransportError): void => {
        host.onFault(error)
        socket.destroy()
      }
      const onOpen = (): void => {
        host.beginInput()
        host.events.onReady()
        host.endInput()
      }
      options.early?.onOpen(guardedListener('the end of a handshake with early data', onOpen, onFault))
      const output = new ConnectionOutput(socket, session, onFault)
      session.start(now)
      attachSocket(socket, port, {
        onRead: (buffer, start, end) => {
          session.receive(buffer, start, end, host.beginInput())
          host.endInput()
        },
        onLost: (reason, error) => host.onLost(reason, error),
        isWaiting: () => host.isWaiting(),
        onFault,
      })
      const carrier = {
        get isWritable() {
          return socket.writable
        },
        finish: () => {
          // Nobody waits for its answers. Were the handshake to come to its end after all, what had left
          // early could be sent again.
          if (isUnderWay(options.early)) socket.destroy()
          else output.end(port, clock)
        },
        whenGone: () => whenSocketClosed(socket),
        ref: () => void socket.ref(),
        unref: () => void socket.unref(),
      }
      return { session, carrier }
    },
  })
}

function sessionEvents(
  { events }: SessionHost,
  { onAltSvc }: Http2ConnectionOptions,
  onOutput: () => void,
): Http2SessionEvents {
  return {
    ...events,
    onOutput,
    onSettings: () => events.onReady(),
    // RFC 9113 6.8: the largest id is the first step of a graceful end, and counts nothing. Ours are the odd
    // ones.
    onGoaway: ({ lastStreamId }) =>
      events.onGoaway(lastStreamId < MAX_STREAM_ID ? (lastStreamId + 1) >>> 1 : undefined),
    onRequest: () => {
      throw new Error('a client session takes no requests')
    },
    onAltSvc: (origin, value) => onAltSvc?.(origin, value),
  }
}
