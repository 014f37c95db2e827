import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createSecureServer, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2'
import type { AddressInfo, Socket } from 'node:net'
import type { TlsOptions as TlsServerOptions } from 'node:tls'
import { descriptorOf } from '../../src/base/socket/stream-socket.ts'
import { socketCalls } from '../../src/connect/native/socket-calls.ts'
import type { CertificateAuthority } from '../../src/testing/certificates.ts'
import { type EarlyWorld, type EarlyWorldOptions, earlyWorld } from './early-world.ts'

export interface FastOpenWorldOptions extends EarlyWorldOptions {
  /** Safe requests leave in early data, where there is a ticket for it. Default false. */
  readonly early?: boolean
}

/**
 * A transport that connects to one port with Fast Open, and ends its idle connections at once: what comes
 * then connects anew.
 */
export interface FastOpenWorld extends EarlyWorld {
  /** What became of it at each connect, in order: `used`, or why not. */
  fastOpens(): string[]
  /** The facts and what is missing, as `explain` says them. */
  explained(): Promise<{ known: string[]; unavailable: string[] }>
}

export function fastOpenWorld({ early = false, ...options }: FastOpenWorldOptions): FastOpenWorld {
  const world = earlyWorld({
    ...options,
    origin: {
      tfo: 'on',
      earlyData: early ? 'safe' : 'off',
      earlyDataOverTcp: early,
      // With the groups that Node 24 has by itself the ClientHello fits into no SYN.
      tls: { ca: options.ca, groups: 'X25519:P-256' },
      ...options.origin,
    },
  })
  return Object.assign(world, {
    fastOpens: () =>
      world.events.flatMap(event =>
        event.type === 'fast-open' ? [event.outcome === 'used' ? 'used' : event.because] : [],
      ),
    async explained() {
      const { known, unavailable } = await world.transport.explain(world.url)
      return {
        known: known.map(({ fact, evidence }) => `${fact} (${evidence})`),
        unavailable: unavailable.map(({ feature, because }) => `${feature}: ${because}`),
      }
    },
  })
}

export interface FastOpenOriginOptions {
  readonly authority: CertificateAuthority
  readonly host?: string
  readonly port?: number
  readonly names?: readonly string[]
  /** Of the listener's Fast Open; 0: none. Default 64. */
  readonly queue?: number
  readonly tls?: TlsServerOptions
  readonly answer?: (request: Http2ServerRequest, response: Http2ServerResponse) => void
}

/** An origin of Node's own that speaks HTTP/2 and HTTP/1.1 over TLS, and listens with Fast Open. */
export interface FastOpenOrigin extends AsyncDisposable {
  readonly port: number
  readonly authority: CertificateAuthority
  /** TCP connections so far. */
  accepted(): number
  /** TCP connections that are open. */
  open(): number
}

export async function startFastOpenOrigin(options: FastOpenOriginOptions): Promise<FastOpenOrigin> {
  const { authority, host = '127.0.0.1', names = ['localhost'], queue = 64 } = options
  const certificate = await authority.issue({ names: [...names] })
  const answer = options.answer ?? ((_request, response) => void response.end('here'))
  const server = createSecureServer({ ...certificate, allowHTTP1: true, ...options.tls }, answer)
  const sockets = new Set<Socket>()
  let accepted = 0
  server.on('connection', (socket: Socket) => {
    accepted++
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  server.on('sessionError', () => {}) // clients may do as they like
  server.listen(options.port ?? 0, host)
  await once(server, 'listening')
  if (queue > 0) listenWithFastOpen(server, queue)
  return {
    port: (server.address() as AddressInfo).port, // as: it listens on a port
    authority,
    accepted: () => accepted,
    open: () => sockets.size,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise(resolve => server.close(resolve))
    },
  }
}

/**
 * In the namespace that this process is in every listener that is made from now on has Fast Open, whether it
 * asks for it or not (0x400).
 */
export function giveFastOpenToAll(): void {
  writeFileSync('/proc/sys/net/ipv4/tcp_fastopen', String(0x403))
}

/** Cookies that were given out before are good for nothing any more. */
export function changeFastOpenKey(): void {
  const key = randomBytes(16)
    .toString('hex')
    .replace(/(.{8})(?=.)/g, '$1-')
  writeFileSync('/proc/sys/net/ipv4/tcp_fastopen_key', key)
}

/** Whether it takes data then is a matter of its namespace's sysctl. */
export function listenWithFastOpen(server: Parameters<typeof descriptorOf>[0], queue = 64): void {
  const loaded = socketCalls()
  const fd = descriptorOf(server)
  if ('unavailable' in loaded || fd === undefined) throw new Error('native calls cannot be made')
  const errno = loaded.calls.set(fd, 'fastOpenQueue', queue)
  if (errno !== 0) throw new Error(`no Fast Open for the listener: errno ${errno}`)
}
