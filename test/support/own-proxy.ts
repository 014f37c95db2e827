import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'

export interface OwnProxyOptions {
  readonly kind: 'connect' | 'socks5'
  /** Certificate and key: TLS is spoken to the proxy. */
  readonly tls?: { readonly cert: string; readonly key: string }
  readonly credentials?: { readonly user: string; readonly password: string }
  /** Instead of a tunnel: `HTTP/1.1 …`, the reply of SOCKS5, bytes as they are, or nothing at all. */
  readonly answer?: { status: string } | { reply: number } | { bytes: string } | 'silence'
  /** Each tunnel is reset when so much came from the origin. */
  readonly diesAfterBytes?: number
}

/** A proxy of ours on 127.0.0.1, for what those of others do on no account. */
export interface OwnProxy extends AsyncDisposable {
  readonly port: number
  /** Connections that it has accepted, those that were refused included. */
  connections(): number
  /** `host:port` of each tunnel that was asked for, in order. */
  readonly targets: readonly string[]
  close(): Promise<void>
}

export async function startOwnProxy(options: OwnProxyOptions): Promise<OwnProxy> {
  const open = new Set<Socket>()
  const targets: string[] = []
  let connections = 0
  const serve = (client: Socket): void => {
    connections += 1
    open.add(client)
    client.on('error', () => client.destroy())
    client.on('close', () => open.delete(client))
    if (options.answer === 'silence') return void client.resume()
    if (options.kind === 'connect') serveConnect(client)
    else serveSocks(client)
  }
  const tunnel = (client: Socket, host: string, port: number, success: Buffer, failure: Buffer): void => {
    targets.push(`${host}:${port}`)
    const origin = connect({ host, port })
    open.add(origin)
    let isOpen = false
    let bytes = 0
    origin.on('connect', () => {
      isOpen = true
      client.write(success)
      client.pipe(origin)
    })
    origin.on('data', chunk => {
      bytes += chunk.length
      if (options.diesAfterBytes !== undefined && bytes > options.diesAfterBytes) {
        client.resetAndDestroy()
        origin.destroy()
      } else if (!client.destroyed) client.write(chunk)
    })
    origin.on('error', () => (isOpen ? client.destroy() : client.end(failure)))
    origin.on('close', () => {
      open.delete(origin)
      client.end()
    })
    client.on('close', () => origin.destroy())
  }
  function serveConnect(client: Socket): void {
    read(client, bytes => {
      const end = bytes.indexOf('\r\n\r\n')
      if (end === -1) return undefined
      const head = bytes.toString('latin1', 0, end)
      const { answer, credentials } = options
      if (answer !== undefined && typeof answer === 'object') {
        client.end(
          'bytes' in answer ? answer.bytes : 'status' in answer ? `HTTP/1.1 ${answer.status}\r\n\r\n` : '',
        )
        return end + 4
      }
      const basic =
        credentials && Buffer.from(`${credentials.user}:${credentials.password}`).toString('base64')
      if (basic !== undefined && !head.includes(`Proxy-Authorization: Basic ${basic}`)) {
        client.end('HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n')
        return end + 4
      }
      const [, host = '', port = ''] = /^CONNECT \[?([^\]\s]+?)\]?:(\d+) /.exec(head) ?? []
      const failure = Buffer.from('HTTP/1.1 502 Bad Gateway\r\n\r\n')
      tunnel(client, host, Number(port), Buffer.from('HTTP/1.1 200 OK\r\n\r\n'), failure)
      return end + 4
    })
  }
  function serveSocks(client: Socket): void {
    const { credentials, answer } = options
    const request = (bytes: Buffer): number | undefined => {
      if (bytes.length < 5) return undefined
      const type = bytes[3]
      const length = type === 1 ? 4 : type === 4 ? 16 : 1 + (bytes[4] ?? 0)
      if (bytes.length < 6 + length) return undefined
      const raw = bytes.subarray(4, 4 + length)
      const groups = Array.from({ length: 8 }, (_, i) =>
        type === 4 ? raw.readUInt16BE(2 * i).toString(16) : '',
      )
      const host = type === 3 ? raw.toString('latin1', 1) : type === 1 ? raw.join('.') : groups.join(':')
      const reply = (code: number): Buffer => Buffer.from([5, code, 0, 1, 0, 0, 0, 0, 0, 0])
      if (typeof answer === 'object' && 'reply' in answer) client.end(reply(answer.reply))
      else tunnel(client, host, bytes.readUInt16BE(4 + length), reply(0), reply(5))
      return 6 + length
    }
    const authentication = (bytes: Buffer): number | undefined => {
      const user = bytes[1] ?? 0
      const length = 3 + user + (bytes[2 + user] ?? 0)
      if (bytes.length < 3 || bytes.length < length) return undefined
      const given = [bytes.toString('utf8', 2, 2 + user), bytes.toString('utf8', 3 + user, length)]
      const isRight = given[0] === credentials?.user && given[1] === credentials?.password
      client.write(Buffer.from([1, isRight ? 0 : 1]))
      if (isRight) read(client, request)
      else client.end()
      return length
    }
    read(client, bytes => {
      const count = bytes[1]
      if (count === undefined || bytes.length < 2 + count) return undefined
      if (typeof answer === 'object' && 'bytes' in answer) {
        client.end(answer.bytes)
        return 2 + count
      }
      const method = credentials === undefined ? 0 : bytes.subarray(2, 2 + count).includes(2) ? 2 : 0xff
      client.write(Buffer.from([5, method]))
      if (method !== 0xff) read(client, method === 2 ? authentication : request)
      return 2 + count
    })
  }
  const server = options.tls === undefined ? createServer(serve) : createTlsServer({ ...options.tls }, serve)
  server.on('tlsClientError', () => {})
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const close = async (): Promise<void> => {
    for (const socket of open) socket.destroy()
    if (server.listening) await new Promise(resolve => server.close(resolve))
  }
  return {
    port: (server.address() as AddressInfo).port, // it listens on TCP
    connections: () => connections,
    targets,
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** Collects bytes until `take` says how many of them are one message; the rest waits for the next reader. */
function read(socket: Socket, take: (bytes: Buffer) => number | undefined): void {
  let bytes = Buffer.alloc(0)
  const onData = (chunk: Buffer): void => {
    bytes = Buffer.concat([bytes, chunk])
    const end = take(bytes)
    if (end === undefined) return
    socket.removeListener('data', onData)
    if (end < bytes.length && !socket.destroyed) socket.unshift(bytes.subarray(end))
  }
  socket.on('data', onData)
}
