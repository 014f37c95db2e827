import { once } from 'node:events'
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect as connectHttp2,
  constants,
  type IncomingHttpHeaders,
} from 'node:http2'
import { connect } from 'node:net'
import type { Duplex } from 'node:stream'
import { varint } from './http3-wire.ts'
import { until } from './until.ts'

/** Clients of CONNECT-UDP that have nothing of ours but what capsules look like (RFC 9297 3.2, RFC 9298 5). */

export const udpPath = (host: string, port: number): string =>
  `/.well-known/masque/udp/${encodeURIComponent(host)}/${port}/`

export function udpCapsule(payload: Buffer): Buffer {
  return Buffer.concat([varint(0), varint(payload.length + 1), varint(0), payload])
}

/** The stream of a tunnel, and the payloads that came on it. */
export interface TunnelClient {
  readonly stream: Duplex
  readonly payloads: Buffer[]
  send(payload: Buffer): void
  /** The next one that comes to what it had before. */
  exchange(payload: Buffer): Promise<Buffer>
}

function tunnelOver(stream: Duplex, first: Buffer = Buffer.alloc(0)): TunnelClient {
  const payloads: Buffer[] = []
  let rest = first
  const take = (): void => {
    for (;;) {
      // Answers here are short: a type of one byte, a length of one or two.
      const isLong = ((rest[1] ?? 0) & 0xc0) === 0x40
      const at = isLong ? 3 : 2
      if (rest.length < at) return
      const length = isLong ? rest.readUInt16BE(1) & 0x3fff : (rest[1] ?? 0)
      if (rest.length < at + length) return
      payloads.push(rest.subarray(at + 1, at + length))
      rest = rest.subarray(at + length)
    }
  }
  stream.on('error', () => {})
  stream.on('data', (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk])
    take()
  })
  take()
  return {
    stream,
    payloads,
    send: payload => stream.write(udpCapsule(payload)),
    exchange: async payload => {
      const before = payloads.length
      stream.write(udpCapsule(payload))
      await until(() => payloads.length > before, 'an answer came through the tunnel')
      return payloads[before] ?? Buffer.alloc(0)
    },
  }
}

/** As an Upgrade of HTTP/1.1 (RFC 9298 3.2). */
export async function tunnelOverHttp1(port: number, path: string): Promise<TunnelClient & { head: string }> {
  const socket = connect(port, '127.0.0.1')
  socket.write(
    `GET ${path} HTTP/1.1\r\nHost: proxy.example\r\nConnection: Upgrade\r\nUpgrade: connect-udp\r\nCapsule-Protocol: ?1\r\n\r\n`,
  )
  let all = Buffer.alloc(0)
  while (!all.includes('\r\n\r\n')) {
    const [chunk] = (await once(socket, 'data')) as [Buffer]
    all = Buffer.concat([all, chunk])
  }
  const end = all.indexOf('\r\n\r\n') + 4
  return { head: all.toString('latin1', 0, end), ...tunnelOver(socket, all.subarray(end)) }
}

/** Over the HTTP/2 of Node. */
export async function http2Client(url: string): Promise<ClientHttp2Session> {
  const session = connectHttp2(url, { rejectUnauthorized: false })
  session.on('error', () => {})
  await once(session, 'remoteSettings')
  return session
}

/** An extended CONNECT (RFC 8441): its answer, and the tunnel where that is one. */
export async function tunnelOverHttp2(
  session: ClientHttp2Session,
  path: string,
  fields: Record<string, string> = {},
): Promise<TunnelClient & { headers: IncomingHttpHeaders; stream: ClientHttp2Stream }> {
  const stream = session.request(
    {
      ':method': 'CONNECT',
      ':protocol': 'connect-udp',
      ':scheme': 'https',
      ':authority': 'proxy.example',
      ':path': path,
      'capsule-protocol': '?1',
      ...fields,
    },
    { endStream: false },
  )
  stream.on('error', () => {})
  const [headers] = (await once(stream, 'response')) as [IncomingHttpHeaders]
  return { headers, ...tunnelOver(stream), stream }
}

export const CANCEL = constants.NGHTTP2_CANCEL
