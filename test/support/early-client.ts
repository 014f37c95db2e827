import { once } from 'node:events'
import { connect, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { TlsOptions } from '../../src/base/options/options.ts'
import {
  type EarlyHandshake,
  type EarlySocket,
  openEarlySocket,
} from '../../src/connect/early-data/early-socket.ts'
import { ClientContexts } from '../../src/connect/openssl/client-contexts.ts'
import { bareSession } from '../../src/connect/tls/session-facts.ts'
import { callableOpenssl } from './require-openssl.ts'

export interface EarlyClientOptions {
  readonly port: number
  readonly tls: TlsOptions
  /** Default: none, for a full handshake. */
  readonly session?: Buffer | undefined
  readonly serverName?: string
  /** Default `http/1.1`; null offers none. */
  readonly alpn?: string | null
  /** Written at once. */
  readonly first?: string | Buffer
  readonly keylog?: (line: Buffer) => void
  /** Default: those of all tests here. */
  readonly contexts?: ClientContexts
  /** What it reads is not collected: the test does it. */
  readonly isRaw?: boolean
}

/** An early socket with a log of all that happened to it. */
export interface EarlyClient extends AsyncDisposable {
  readonly early: EarlySocket
  readonly raw: Socket
  /** `handshake`, `ticket`, `end`, `error CODE`, `close`, in the order in which they came. */
  readonly events: string[]
  readonly tickets: Buffer[]
  readonly received: Buffer[]
  /** Resolves with the first one; rejects when the socket closes before. */
  readonly handshake: Promise<EarlyHandshake>
  readonly closed: Promise<void>
  error(): (Error & { code?: string }) | undefined
  text(): string
  /** Resolves when what was received holds it. */
  untilText(part: string): Promise<void>
}

let contexts: ClientContexts | undefined

export async function openEarlyClient(options: EarlyClientOptions): Promise<EarlyClient> {
  contexts ??= new ClientContexts(callableOpenssl())
  const raw = connect({ port: options.port, host: '127.0.0.1', noDelay: true })
  await once(raw, 'connect')
  return earlyClientOver(raw, options.contexts ?? contexts, options)
}

export function earlyClientOver(
  raw: Socket,
  contexts: ClientContexts,
  options: EarlyClientOptions,
): EarlyClient {
  const early = openEarlySocket({
    raw,
    context: contexts.get(options.tls),
    serverName: options.serverName ?? 'origin.test',
    rejectUnauthorized: options.tls.rejectUnauthorized ?? true,
    alpn: options.alpn === null ? undefined : (options.alpn ?? 'http/1.1'),
    session: options.session ?? Buffer.alloc(0),
    keylog: options.keylog,
  })
  const { socket } = early
  const events: string[] = []
  const tickets: Buffer[] = []
  const received: Buffer[] = []
  let error: (Error & { code?: string }) | undefined
  const closed = new Promise<void>(resolve => {
    socket.on('close', () => {
      events.push('close')
      resolve()
    })
  })
  const handshake = new Promise<EarlyHandshake>((resolve, reject) => {
    early.onHandshake = made => {
      events.push('handshake')
      resolve(made)
    }
    socket.once('close', () => reject(error ?? new Error('closed before the handshake')))
  })
  handshake.catch(() => {}) // a test that awaits it is notified of it
  early.onTicket = ticket => {
    events.push('ticket')
    tickets.push(ticket)
  }
  socket.on('error', (failure: Error & { code?: string }) => {
    error = failure
    events.push(`error ${failure.code}`)
  })
  socket.on('end', () => events.push('end'))
  if (options.isRaw !== true) socket.on('data', (chunk: Buffer) => received.push(chunk))
  if (options.first !== undefined) socket.write(options.first)
  const text = (): string => Buffer.concat(received).toString('latin1')
  return {
    early,
    raw,
    events,
    tickets,
    received,
    handshake,
    closed,
    error: () => error,
    text,
    async untilText(part) {
      const deadline = performance.now() + 5000
      while (!text().includes(part)) {
        if (socket.destroyed || socket.readableEnded || performance.now() > deadline)
          throw new Error(`no ${part} in: ${text()}; ${early.phase} ${events.join()}`)
        await new Promise(resolve => setTimeout(resolve, 2))
      }
    },
    async [Symbol.asyncDispose]() {
      socket.destroy()
      await closed
    },
  }
}

/** A session that node:tls got, as DER; `first` is written to servers that send tickets only then. */
export async function sessionOfNode(
  port: number,
  ca: string,
  options: { alpn?: string; serverName?: string; first?: string; rejectUnauthorized?: boolean } = {},
): Promise<Buffer> {
  const serverName = options.serverName ?? 'origin.test'
  const socket = connectTls({
    port,
    host: '127.0.0.1',
    ca,
    ...(isIP(serverName) === 0 ? { servername: serverName } : {}),
    ALPNProtocols: [options.alpn ?? 'http/1.1'],
    minVersion: 'TLSv1.3',
    rejectUnauthorized: options.rejectUnauthorized ?? true,
    checkServerIdentity: () => undefined,
  })
  let session: Buffer | undefined
  // s_server answers a FIN without close_notify with an alert.
  socket.on('error', () => {})
  socket.once('session', (ticket: Buffer) => {
    session = bareSession(ticket)
    socket.end()
  })
  socket.resume()
  if (options.first !== undefined) socket.write(options.first)
  await new Promise(resolve => socket.once('close', resolve))
  if (session === undefined) throw new Error('no session came')
  return session
}
