import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, connect, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect as connectTls } from 'node:tls'
import type { Connection, HandshakeInfo } from '../../src/base/events/connection.ts'
import { DEFAULT_RESPONSE_LIMITS } from '../../src/base/options/options.ts'
import { ReadPort } from '../../src/base/socket/read-port.ts'
import type { StreamSocket } from '../../src/base/socket/stream-socket.ts'
import { Http1Connection } from '../../src/http/http1/connection.ts'
import { createCertificateAuthority } from '../../src/testing/certificates.ts'
import type { ContractPeer, OriginExchange, PeerOptions } from './contract-peer.ts'
import { earlySocketTo } from './early-socket-to.ts'

export const CLEARTEXT: HandshakeInfo = {
  kind: 'none',
  earlyData: 'none',
  tfo: 'off',
  tlsVersion: undefined,
  timings: { dnsMs: 0, connectMs: 0, tlsMs: 0 },
  attempts: [],
}

/** HTTP/1.1 under the contract: the origin is node:http, which shares no code with ours. */
export function http1Peer(
  /** `early`: over the TLS client that can send early data. */
  reading: 'onread' | 'data events' | 'early',
  scheme: 'http' | 'https' = reading === 'early' ? 'https' : 'http',
): ContractPeer {
  const servers: Server[] = []
  let ids = 0
  return {
    protocol: 'http/1.1',
    async connect({ script, listener, clock }: PeerOptions): Promise<Connection> {
      const answer = (request: IncomingMessage, response: ServerResponse): void => {
        void script(originExchange(request, response, undefined))
      }
      const authority = scheme === 'https' ? await createCertificateAuthority() : undefined
      const certificate = await authority?.issue({ names: ['127.0.0.1'] })
      const server = certificate === undefined ? createServer(answer) : createTlsServer(certificate, answer)
      server.on('upgrade', (request: IncomingMessage, socket: Socket) => {
        void script(originExchange(request, undefined, socket))
      })
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      servers.push(server)
      const { port } = server.address() as AddressInfo
      const { socket, ...how } =
        reading === 'early'
          ? await earlySocketTo(port, certificate?.ca ?? '', 'http/1.1')
          : await socketTo(port, reading, certificate?.ca)
      return new Http1Connection({
        id: ++ids,
        socket,
        ...how,
        endpoint: { address: '127.0.0.1', family: 4, port, transport: 'tcp' },
        handshake: CLEARTEXT,
        listener,
        limits: DEFAULT_RESPONSE_LIMITS,
        clock,
      })
    },
    async stop(): Promise<void> {
      for (const server of servers.splice(0)) {
        server.closeAllConnections()
        await new Promise(resolve => server.close(resolve))
      }
    },
  }
}

async function socketTo(
  port: number,
  reading: 'onread' | 'data events',
  ca: string | undefined,
): Promise<{ socket: StreamSocket; port: ReadPort | undefined }> {
  const readPort = reading === 'onread' ? new ReadPort() : undefined
  const target = { host: '127.0.0.1', port, ...(readPort === undefined ? {} : { onread: readPort.onread }) }
  const socket = ca === undefined ? connect(target) : connectTls({ ...target, ca })
  await once(socket, ca === undefined ? 'connect' : 'secureConnect')
  return { socket, port: readPort }
}

function originExchange(
  request: IncomingMessage,
  response: ServerResponse | undefined,
  socket: Socket | undefined,
): OriginExchange {
  const answer = (): ServerResponse => {
    if (response === undefined) throw new Error('an upgrade request is answered by acceptUpgrade()')
    return response
  }
  return {
    method: request.method ?? '',
    path: request.url ?? '',
    authority: request.headers.host ?? '',
    headers: request.headers,
    async body() {
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(chunk as Buffer)
      return Buffer.concat(chunks)
    },
    trailers: () => request.trailers,
    earlyHints: headers => answer().writeEarlyHints({ link: '</a>; rel=preload', ...headers }),
    respond: (status, headers = {}) => answer().writeHead(status, headers).flushHeaders(),
    write: chunk => answer().write(chunk),
    drained: async () => void (await once(answer(), 'drain')),
    end: (trailers = {}) => {
      answer().addTrailers(trailers)
      answer().end()
    },
    breakOff: () => void request.socket.destroy(),
    acceptUpgrade: (first): Duplex => {
      if (socket === undefined) throw new Error('the request asks for no upgrade')
      const protocol = request.headers.upgrade ?? ''
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: ${protocol}\r\n\r\n${first}`,
      )
      return socket
    },
  }
}
