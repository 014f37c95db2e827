import type { QuicEnd, QuicEvent, QuicLink, QuicLinkOwner } from '../../src/quic/engine.ts'
import { STREAM_TYPE, settings, splitFrames, varint, type WireFrame } from './http3-wire.ts'

export interface Http3PeerOptions {
  /** What its SETTINGS say, by number. */
  settings?: readonly (readonly [id: number, value: number])[]
  /** Sends nothing by itself, not even a control stream. */
  isSilent?: boolean
  /** Reads nothing of what comes. */
  isDeaf?: boolean
}

/** A flood that ends in 5 s on a quiet machine took more than 10 on one with other work. */
const PATIENCE_MS = 30_000
/** Of each stream: what comes after it is read and thrown away. */
const KEPT_BYTES = 65_536
const KEPT_STREAMS = 5_000

/** What came on one stream. */
export interface PeerStream {
  readonly id: number
  bytes: Buffer
  /** In all, those included that were not kept. */
  byteCount: number
  isEnded: boolean
  /** RESET_STREAM and STOP_SENDING of the other side. */
  resetCode: number | undefined
  stopCode: number | undefined
}

/** One end of an HTTP/3 connection that does what its test says, byte by byte and stream by stream. */
export class Http3Peer implements QuicLinkOwner, AsyncDisposable {
  readonly link: QuicLink
  readonly streams = new Map<number, PeerStream>()
  /** Those that came (RFC 9221). */
  readonly datagrams: Buffer[] = []
  /** Why it is over. */
  end: QuicEnd | undefined
  isClosed = false
  /** Server role: a request began. */
  onRequest: ((streamId: number) => void) | undefined
  readonly #options: Http3PeerOptions
  readonly #watchers = new Set<() => void>()
  readonly #waiting = new Map<number, { pieces: Buffer[]; isLast: boolean }>()
  readonly #into = Buffer.alloc(65_536)
  #controlStream = -1
  #hasStarted = false

  constructor(link: QuicLink, options: Http3PeerOptions = {}) {
    this.link = link
    this.#options = options
    link.owner = this
    if (link.connection.isEstablished) this.#start()
  }

  /** Our control stream, on which SETTINGS were sent, unless we are silent. */
  get controlStream(): number {
    return this.#controlStream
  }

  sendDatagram(bytes: Uint8Array): void {
    this.link.connection.sendDatagram(bytes)
    this.link.schedule()
  }

  /** What does not go out at once waits. An end comes with a byte at least: see QuicConnection.write. */
  send(stream: number, bytes: Uint8Array, isLast = false): void {
    if (this.isClosed || bytes.length === 0) return
    const waiting = this.#waiting.get(stream) ?? { pieces: [], isLast: false }
    waiting.pieces.push(Buffer.from(bytes))
    waiting.isLast ||= isLast
    this.#waiting.set(stream, waiting)
    this.#flush(stream)
  }

  /** Bytes that were sent and have not left. */
  get queuedBytes(): number {
    let bytes = 0
    for (const { pieces } of this.#waiting.values()) for (const piece of pieces) bytes += piece.length
    return bytes
  }

  /** A new stream of ours that begins with these bytes. */
  openUnidirectional(bytes: Uint8Array, isLast = false): number {
    return this.#open('unidirectional', bytes, isLast)
  }

  openRequest(bytes: Uint8Array, isLast = true): number {
    return this.#open('bidirectional', bytes, isLast)
  }

  /** A control stream with SETTINGS, if there is none yet. */
  openControl(): number {
    if (this.#controlStream < 0) {
      const payload = settings(this.#options.settings)
      this.#controlStream = this.openUnidirectional(Buffer.concat([varint(STREAM_TYPE.CONTROL), payload]))
    }
    return this.#controlStream
  }

  reset(stream: number, code: number): void {
    this.#waiting.delete(stream)
    this.link.connection.reset(stream, code)
    this.link.schedule()
  }

  stop(stream: number, code: number): void {
    this.link.connection.stop(stream, code)
    this.link.schedule()
  }

  close(code: number, reason = '', isApplication = true): void {
    if (this.isClosed) return
    this.link.connection.close(isApplication, code, reason)
    this.link.schedule()
  }

  /**
   * The frames of a stream of requests or control so far; `behind` cuts off the type of a unidirectional one.
   */
  framesOf(stream: number, behind = 0): WireFrame[] {
    return splitFrames(this.streams.get(stream)?.bytes.subarray(behind) ?? Buffer.alloc(0))
  }

  /** How the other side has closed the connection: the code of its CONNECTION_CLOSE. */
  async untilClosedByPeer(timeoutMs = PATIENCE_MS): Promise<QuicEnd> {
    await this.until(() => this.end !== undefined, 'the close', timeoutMs)
    if (this.end?.cause !== 'peer') throw new Error(`it ended otherwise: ${JSON.stringify(this.end)}`)
    return this.end
  }

  async until(isSo: () => boolean, what: string, timeoutMs = PATIENCE_MS): Promise<void> {
    if (isSo()) return
    await new Promise<void>((resolve, reject) => {
      const settle = (error?: Error): void => {
        clearTimeout(timer)
        this.#watchers.delete(watch)
        if (error === undefined) resolve()
        else reject(error)
      }
      const watch = (): void => {
        if (isSo()) settle()
        else if (this.isClosed) settle(new Error(`closed before ${what}: ${JSON.stringify(this.end)}`))
      }
      const timer = setTimeout(() => settle(new Error(`waited in vain for ${what}`)), timeoutMs)
      this.#watchers.add(watch)
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close(0x100)
    await this.until(() => this.isClosed, 'the end', 3_000).catch(() => {}) // it goes with its socket
  }

  onTurn(): void {
    for (;;) {
      const event = this.link.connection.nextEvent()
      if (event === undefined) break
      this.#take(event)
    }
    this.#changed()
  }

  onClosed(): void {
    this.isClosed = true
    this.#changed()
  }

  #take(event: QuicEvent): void {
    switch (event.type) {
      case 'established':
        return this.#start()
      case 'readable':
        return this.#read(event.stream)
      case 'writable':
        return this.#flush(event.stream)
      case 'reset':
        this.#streamOf(event.stream).resetCode = event.code
        return
      case 'stopped':
        this.#waiting.delete(event.stream)
        this.#streamOf(event.stream).stopCode = event.code
        return
      case 'ended':
        this.end = event.end
        return
      case 'datagram':
        if (this.datagrams.length < KEPT_STREAMS) this.datagrams.push(event.bytes)
        return
      default: // tickets and paths are no business of these tests
    }
  }

  #start(): void {
    if (this.#hasStarted) return
    this.#hasStarted = true
    if (this.#options.isSilent !== true) this.openControl()
  }

  #open(direction: 'unidirectional' | 'bidirectional', bytes: Uint8Array, isLast: boolean): number {
    const id = this.link.connection.openStream(direction)
    if (id === undefined) throw new Error(`the other side allows no more ${direction} streams`)
    this.send(id, bytes, isLast)
    return id
  }

  #flush(stream: number): void {
    const waiting = this.#waiting.get(stream)
    if (waiting === undefined || this.isClosed) return
    const { connection } = this.link
    while (waiting.pieces.length > 0) {
      const [piece = Buffer.alloc(0)] = waiting.pieces
      const taken = connection.write(stream, piece, waiting.isLast && waiting.pieces.length === 1)
      if (taken < piece.length) {
        waiting.pieces[0] = piece.subarray(taken)
        break
      }
      waiting.pieces.shift()
    }
    if (waiting.pieces.length === 0) this.#waiting.delete(stream)
    this.link.schedule()
  }

  #read(id: number): void {
    if (this.#options.isDeaf === true) return
    const isNew = !this.streams.has(id)
    const stream = this.#streamOf(id)
    for (;;) {
      const read = this.link.connection.read(id, this.#into)
      if (read === undefined) break
      const [bytes, isEnd] = read
      stream.byteCount += bytes
      if (stream.bytes.length < KEPT_BYTES)
        stream.bytes = Buffer.concat([stream.bytes, this.#into.subarray(0, bytes)])
      if (isEnd) {
        stream.isEnded = true
        break
      }
    }
    // Client-initiated and bidirectional (RFC 9000 2.1).
    if (isNew && id % 4 === 0 && this.link.connection.role === 'server') this.onRequest?.(id)
  }

  #streamOf(id: number): PeerStream {
    const known = this.streams.get(id)
    if (known !== undefined) return known
    const stream: PeerStream = {
      id,
      bytes: Buffer.alloc(0),
      byteCount: 0,
      isEnded: false,
      resetCode: undefined,
      stopCode: undefined,
    }
    if (this.streams.size >= KEPT_STREAMS) this.streams.delete(this.streams.keys().next().value ?? id)
    this.streams.set(id, stream)
    return stream
  }

  #changed(): void {
    for (const watch of this.#watchers) watch()
  }
}
