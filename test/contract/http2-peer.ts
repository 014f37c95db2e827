import { once } from 'node:events'
import * as http2 from 'node:http2'
import { type AddressInfo, connect, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect as connectTls } from 'node:tls'
import type { Clock } from '../../src/base/clock.ts'
import type { ConnectionListener } from '../../src/base/events/connection.ts'
import { DEFAULT_RESPONSE_LIMITS } from '../../src/base/options/options.ts'
import { DEFAULT_HTTP2_OPTIONS } from '../../src/base/options/protocol-options.ts'
import { ReadPort } from '../../src/base/socket/read-port.ts'
import type { StreamSocket } from '../../src/base/socket/stream-socket.ts'
import { type Http2ConnectionOptions, http2Connection } from '../../src/http/http2/connection.ts'
import type { MultiplexedConnection } from '../../src/http/multiplex/connection.ts'
import { createCertificateAuthority } from '../../src/testing/certificates.ts'
import type { ContractPeer, OriginExchange, PeerOptions } from './contract-peer.ts'
import { earlySocketTo } from './early-socket-to.ts'
import { CLEARTEXT } from './http1-peer.ts'

/** What a test of HTTP/2 alone may want of the peer. */
export interface Http2ContractOptions {
  scheme?: 'http' | 'https'
  /** SETTINGS of the origin. */
  settings?: http2.Settings
  /** How our connection is made. */
  connection?: Partial<Http2ConnectionOptions>
}

export interface Http2ContractPeer extends ContractPeer {
  connect(options: PeerOptions): Promise<MultiplexedConnection>
  /** The sessions of the origin that are open. */
  readonly sessions: ReadonlySet<http2.ServerHttp2Session>
}

/** HTTP/2 under the contract: the origin is node:http2, which shares no code with ours. */
export function http2Peer(
  /** `early`: over the TLS client that can send early data. */
  reading: 'onread' | 'data events' | 'early',
  options: Http2ContractOptions = {},
): Http2ContractPeer {
  const servers: (http2.Http2Server | http2.Http2SecureServer)[] = []
  const sessions = new Set<http2.ServerHttp2Session>()
  const sockets = new Set<Socket>()
  const { scheme = reading === 'early' ? 'https' : 'http' } = options
  let ids = 0
  return {
    protocol: 'h2',
    sessions,
    async connect({ script, listener, clock }): Promise<MultiplexedConnection> {
      const settings = { enableConnectProtocol: true, ...options.settings }
      const authority = scheme === 'https' ? await createCertificateAuthority() : undefined
      const certificate = await authority?.issue({ names: ['127.0.0.1'] })
      const server =
        certificate === undefined
          ? http2.createServer({ settings })
          : http2.createSecureServer({ ...certificate, settings })
      server.on('connection', (socket: Socket) => {
        sockets.add(socket)
        socket.on('close', () => sockets.delete(socket))
      })
      server.on('session', session => {
        sessions.add(session)
        session.on('close', () => sessions.delete(session))
        session.on('error', () => undefined)
      })
      server.on('stream', (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => {
        void script(originExchange(stream, headers))
      })
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      servers.push(server)
      const { port } = server.address() as AddressInfo
      return connectHttp2({
        port,
        listener,
        clock,
        id: ++ids,
        reading,
        ca: certificate?.ca,
        connection: options.connection,
      })
    },
    async stop(): Promise<void> {
      // Not the sessions: a test may end before the origin has made one of its socket.
      for (const socket of sockets) socket.destroy()
      for (const server of servers.splice(0)) await new Promise(resolve => server.close(resolve))
    },
  }
}

export interface Http2Target {
  port: number
  listener: ConnectionListener
  clock: Clock
  id?: number
  reading?: 'onread' | 'data events' | 'early'
  /** Over TLS, trusting this certificate. */
  ca?: string | undefined
  connection?: Partial<Http2ConnectionOptions> | undefined
  /** What happens between the connect and the moment when our connection is made of the socket. */
  meanwhile?: () => Promise<void>
}

/** A connection of ours to 127.0.0.1. */
export async function connectHttp2(target: Http2Target): Promise<MultiplexedConnection> {
  const { port, listener, clock, id = 1, reading = 'onread', ca } = target
  const { socket, ...how } =
    reading === 'early' ? await earlySocketTo(port, ca ?? '', 'h2') : await socketTo(port, reading, ca)
  await target.meanwhile?.()
  return http2Connection({
    id,
    socket,
    ...how,
    endpoint: { address: '127.0.0.1', family: 4, port, transport: 'tcp' },
    handshake: CLEARTEXT,
    listener,
    limits: DEFAULT_RESPONSE_LIMITS,
    http2: DEFAULT_HTTP2_OPTIONS,
    clock,
    ...target.connection,
  })
}

async function socketTo(
  port: number,
  reading: 'onread' | 'data events',
  ca: string | undefined,
): Promise<{ socket: StreamSocket; port: ReadPort | undefined }> {
  const readPort = reading === 'onread' ? new ReadPort() : undefined
  const options = {
    host: '127.0.0.1',
    port,
    noDelay: true,
    ...(readPort === undefined ? {} : { onread: readPort.onread }),
  }
  const socket = ca === undefined ? connect(options) : connectTls({ ...options, ca, ALPNProtocols: ['h2'] })
  await once(socket, ca === undefined ? 'connect' : 'secureConnect')
  return { socket, port: readPort }
}

function originExchange(stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders): OriginExchange {
  let received: http2.IncomingHttpHeaders = {}
  let trailers: Record<string, string> = {}
  stream.on('error', () => undefined) // broken off by either side: the tests look at the client's end
  stream.on('trailers', fields => void (received = fields))
  stream.on('wantTrailers', () => stream.sendTrailers(trailers))
  return {
    method: headers[':method'] ?? '',
    path: headers[':path'] ?? '',
    authority: headers[':authority'] ?? '',
    headers,
    async body() {
      const chunks: Buffer[] = []
      for await (const chunk of stream) chunks.push(chunk as Buffer)
      return Buffer.concat(chunks)
    },
    trailers: () => received as Record<string, string | undefined>, // no test sends one twice
    earlyHints: hints => stream.additionalHeaders({ ':status': 103, ...hints }),
    respond: (status, fields = {}) =>
      stream.respond({ ':status': status, ...fields }, { waitForTrailers: true }),
    write: chunk => stream.write(chunk),
    drained: async () => void (await once(stream, 'drain')),
    end: (fields = {}) => {
      trailers = fields
      stream.end()
    },
    breakOff: () => stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR),
    acceptUpgrade: (first): Duplex => {
      stream.respond({ ':status': 200 })
      if (first !== '') stream.write(first)
      return stream
    },
  }
}
