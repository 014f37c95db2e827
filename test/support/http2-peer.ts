import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { connect as connectTls, createServer as createTlsServer, type TlsOptions } from 'node:tls'
import { responseBlock } from './http2-fields.ts'
import {
  data,
  describeFrame,
  FLAG,
  FrameSplitter,
  frame,
  headers,
  PREFACE,
  SETTINGS_ACK,
  settings,
  TYPE,
  type WireFrame,
} from './http2-wire.ts'

export interface Http2PeerOptions {
  /** What its first SETTINGS say, by number. */
  settings?: Readonly<Record<number, number>>
  /** Whether SETTINGS and PING are answered by themselves. Default true. */
  acknowledges?: boolean
  /** Sends nothing by itself, not even a preface or SETTINGS. */
  isSilent?: boolean
}

const PATIENCE_MS = 10_000
/** The other side floods as well, with acknowledgements: of those only the first are kept. */
const KEPT_FRAMES = 20_000

/**
 * One end of an HTTP/2 connection that does what its test says, frame by frame, and keeps every frame that
 * comes.
 */
export class Http2Peer implements Disposable {
  readonly socket: Socket
  readonly frames: WireFrame[] = []
  /** Frames in all, those included that were not kept. */
  frameCount = 0
  isClosed = false
  /** The request that a stream began with; client role: never. */
  onRequest: ((streamId: number, frame: WireFrame) => void) | undefined
  onFrame: ((frame: WireFrame) => void) | undefined
  readonly #role: 'client' | 'origin'
  readonly #acknowledges: boolean
  readonly #watchers = new Set<() => void>()
  readonly #splitter = new FrameSplitter()
  #lastRequest = 0
  #prefaceLeft: number

  constructor(socket: Socket, role: 'client' | 'origin', options: Http2PeerOptions = {}) {
    this.socket = socket
    this.#role = role
    this.#acknowledges = options.acknowledges ?? true
    this.#prefaceLeft = role === 'origin' ? PREFACE.length : 0
    socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    socket.on('error', () => {}) // a reset is an end as well
    socket.on('end', () => socket.end())
    socket.on('close', () => {
      this.isClosed = true
      this.#changed()
    })
    if (options.isSilent === true) return
    if (role === 'client') this.send(PREFACE)
    this.send(settings(options.settings))
  }

  /** False when the kernel takes no more for now. */
  send(...bytes: readonly Uint8Array[]): boolean {
    if (this.socket.destroyed) return false
    return this.socket.write(bytes.length === 1 && bytes[0] !== undefined ? bytes[0] : Buffer.concat(bytes))
  }

  /** A complete answer of status 200. */
  answer(streamId: number, body = 'ok'): void {
    this.send(headers(streamId, responseBlock()), data(streamId, body, FLAG.END_STREAM))
  }

  /**
   * Sends the pieces that `make` gives, as fast as they are taken, until the other side closes or `make`
   * gives no more. Resolves with how many were sent. A client reads between them: what the other side said
   * last is lost once a write has met its reset.
   */
  async flood(make: (index: number) => Uint8Array | undefined): Promise<number> {
    for (let index = 0; ; index++) {
      if (this.isClosed || this.socket.destroyed) return index
      const piece = make(index)
      if (piece === undefined) return index
      if (this.send(piece)) {
        if (this.#role === 'client') await new Promise(resolve => setImmediate(resolve))
        continue
      }
      await new Promise<void>(resolve => {
        const settle = (): void => {
          this.socket.off('drain', settle).off('close', settle)
          resolve()
        }
        this.socket.once('drain', settle).once('close', settle)
      })
    }
  }

  /** Every frame so far, as describeFrame says it. */
  get log(): string[] {
    return this.frames.map(describeFrame)
  }

  /**
   * The first frame whose description matches. Waits for it; rejects when the connection closes without it.
   */
  async untilFrame(pattern: RegExp, timeoutMs = PATIENCE_MS): Promise<WireFrame> {
    const find = (): WireFrame | undefined => this.frames.find(frame => pattern.test(describeFrame(frame)))
    await this.until(() => this.isClosed || find() !== undefined, `${pattern}`, timeoutMs)
    const found = find()
    if (found === undefined) throw new Error(`closed without ${pattern}; this came: ${this.#tail()}`)
    return found
  }

  /** Waits until the other side has closed. Resolves with the descriptions of all that came. */
  async untilClosed(timeoutMs = PATIENCE_MS): Promise<string[]> {
    await this.until(() => this.isClosed, 'the close', timeoutMs)
    return this.log
  }

  async until(isSo: () => boolean, what: string, timeoutMs = PATIENCE_MS): Promise<void> {
    if (isSo()) return
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#watchers.delete(watch)
        reject(new Error(`waited in vain for ${what}; this came: ${this.#tail()}`))
      }, timeoutMs)
      const watch = (): void => {
        if (!isSo()) return
        clearTimeout(timer)
        this.#watchers.delete(watch)
        resolve()
      }
      this.#watchers.add(watch)
    })
  }

  [Symbol.dispose](): void {
    this.socket.destroy()
  }

  #receive(chunk: Buffer): void {
    const skipped = Math.min(this.#prefaceLeft, chunk.length)
    this.#prefaceLeft -= skipped
    for (const received of this.#splitter.receive(skipped === 0 ? chunk : chunk.subarray(skipped)))
      this.#take(received)
    this.#changed()
  }

  #take(received: WireFrame): void {
    const { type, flags, streamId, payload } = received
    this.frameCount++
    // Kept frames must not change with the memory that they were read into.
    if (this.frames.length < KEPT_FRAMES) this.frames.push({ ...received, payload: Buffer.from(payload) })
    if (this.#acknowledges && (flags & FLAG.ACK) === 0) {
      if (type === TYPE.SETTINGS) this.send(SETTINGS_ACK)
      else if (type === TYPE.PING) this.send(frame(TYPE.PING, FLAG.ACK, 0, payload))
    }
    this.onFrame?.(received)
    if (type !== TYPE.HEADERS || streamId <= this.#lastRequest) return
    this.#lastRequest = streamId
    this.onRequest?.(streamId, received)
  }

  #changed(): void {
    for (const watch of this.#watchers) watch()
  }

  #tail(): string {
    return this.frames.slice(-20).map(describeFrame).join(', ')
  }
}

export interface Http2PeerOrigin extends AsyncDisposable {
  readonly port: number
  /** `http://127.0.0.1:PORT` or `https://localhost:PORT`. */
  readonly url: string
  /** Every connection so far. */
  readonly peers: readonly Http2Peer[]
}

export interface Http2PeerOriginOptions extends Http2PeerOptions {
  /** Undefined: cleartext. */
  tls?: TlsOptions
  onConnection?: (peer: Http2Peer, index: number) => void
  /** A new stream. Default: answered with `ok`. */
  onRequest?: (peer: Http2Peer, streamId: number, index: number) => void
}

/** An origin whose every connection is an Http2Peer. `index` counts connections, from 1 on. */
export async function startHttp2PeerOrigin(options: Http2PeerOriginOptions = {}): Promise<Http2PeerOrigin> {
  const peers: Http2Peer[] = []
  const onSocket = (socket: Socket): void => {
    const peer = new Http2Peer(socket, 'origin', options)
    const index = peers.push(peer)
    peer.onRequest = streamId => {
      if (options.onRequest === undefined) peer.answer(streamId)
      else options.onRequest(peer, streamId, index)
    }
    options.onConnection?.(peer, index)
  }
  const server: Server =
    options.tls === undefined
      ? createServer({ noDelay: true }, onSocket)
      : createTlsServer({ ALPNProtocols: ['h2'], ...options.tls }, onSocket).on('tlsClientError', () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // a server on a port has an AddressInfo
  return {
    port,
    url: options.tls === undefined ? `http://127.0.0.1:${port}` : `https://localhost:${port}`,
    peers,
    async [Symbol.asyncDispose]() {
      for (const { socket } of peers) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

/**
 * A client on a connection to 127.0.0.1. Unless it is silent, both sides have sent their SETTINGS, and
 * nothing is due of them.
 */
export async function connectHttp2Peer(
  port: number,
  options: Http2PeerOptions & { tls?: { ca: string; alpn?: string } } = {},
): Promise<Http2Peer> {
  const { tls } = options
  const socket =
    tls === undefined
      ? connect({ port, host: '127.0.0.1', noDelay: true })
      : connectTls({
          port,
          host: '127.0.0.1',
          servername: 'localhost',
          ca: tls.ca,
          ALPNProtocols: [tls.alpn ?? 'h2'],
        })
  await once(socket, tls === undefined ? 'connect' : 'secureConnect')
  const peer = new Http2Peer(socket, 'client', options)
  if (options.isSilent !== true) await peer.untilFrame(/^SETTINGS 0$/)
  return peer
}
