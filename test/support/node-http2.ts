import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import {
  createSecureServer,
  createServer,
  type Http2Server,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type Settings,
} from 'node:http2'
import type { AddressInfo, Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { type CertificateAuthority, createCertificateAuthority } from '../../src/testing/certificates.ts'

export interface NodeHttp2Options {
  /** Default true: TLS and ALPN. False: prior knowledge. */
  tls?: boolean
  /** Offers HTTP/1.1 by ALPN, too. */
  allowHTTP1?: boolean
  settings?: Settings
  /** Who signs its certificate. Default: an authority of its own. */
  authority?: CertificateAuthority
  onRequest?: (request: Http2ServerRequest, response: Http2ServerResponse) => void
  /** Extended CONNECT. */
  onConnect?: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void
  /** HTTP/1.1 only. */
  onUpgrade?: (request: IncomingMessage, socket: Socket, head: Buffer) => void
}

export interface NodeHttp2 extends AsyncDisposable {
  readonly url: string
  readonly ca: string
  readonly server: Http2Server
  /** The sessions that are open now. */
  readonly sessions: ReadonlySet<ServerHttp2Session>
  /** Connections so far that speak HTTP/2, and those that speak HTTP/1.1. */
  seen(): { h2: number; http1: number }
}

/** Node's own HTTP/2 server (nghttp2 below) on loopback. It answers `hello` unless told otherwise. */
export async function startNodeHttp2(options: NodeHttp2Options = {}): Promise<NodeHttp2> {
  const { tls = true, allowHTTP1 = false, settings = {} } = options
  const authority = options.authority ?? (await createCertificateAuthority())
  const { cert, key } = await authority.issue({ names: ['localhost'] })
  const server = tls
    ? createSecureServer({
        cert,
        key,
        allowHTTP1,
        settings,
        ...(allowHTTP1 ? {} : { ALPNProtocols: ['h2'] }),
      })
    : createServer({ settings })
  const sessions = new Set<ServerHttp2Session>()
  const sockets = new Set<Socket>()
  let h2 = 0
  let http1 = 0
  server.on('session', session => {
    h2++
    sessions.add(session)
    session.on('error', () => {}) // 'close' follows
    session.once('close', () => sessions.delete(session))
  })
  server.on(tls ? 'secureConnection' : 'connection', (socket: Socket) => {
    if (socket instanceof TLSSocket && socket.alpnProtocol !== 'h2') http1++
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => sockets.delete(socket))
  })
  server.on('request', (request, response) => {
    if (options.onRequest !== undefined) options.onRequest(request, response)
    else response.end('hello')
  })
  server.on('connect', () => {}) // without a listener Node answers every CONNECT with 405
  server.on('stream', (stream, headers) => {
    if (headers[':protocol'] !== undefined) options.onConnect?.(stream, headers)
  })
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) =>
    options.onUpgrade?.(request, socket, head),
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // a server on a port has an AddressInfo
  return {
    url: `${tls ? 'https' : 'http'}://localhost:${port}`,
    ca: authority.cert,
    server,
    sessions,
    seen: () => ({ h2, http1 }),
    async [Symbol.asyncDispose]() {
      for (const session of sessions) session.destroy()
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
