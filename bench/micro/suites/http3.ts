import { NO_HEADERS } from '../../../src/base/http/headers.ts'
import { DEFAULT_HTTP3_OPTIONS } from '../../../src/base/options/protocol-options.ts'
import { Http3Session } from '../../../src/http/http3/http3-session.ts'
import type { Http3SessionEvents } from '../../../src/http/http3/session.ts'
import type { OutgoingRequest } from '../../../src/http/multiplex/client-session.ts'
import type { ResponseHead } from '../../../src/http/multiplex/messages/message-head.ts'
import type { Stream, StreamEvents, StreamReset } from '../../../src/http/multiplex/stream.ts'
import type {
  QuicConnection,
  QuicEvent,
  QuicStats,
  StreamDirection,
  StreamRead,
} from '../../../src/quic/engine.ts'
import type { MicroSuite } from '../suite.ts'
import { CHUNK, copy, fail, RESPONSE_HEADERS } from './session-parts.ts'

/**
 * What HTTP/3 costs without QUIC, both roles together. What QUIC, N-API and the kernel add is the difference
 * to client-h3: nearly all of it.
 */

const CASES = [
  { streams: 1, bytes: 1024 },
  { streams: 32, bytes: 1024 },
  { streams: 100, bytes: 1024, hasSites: true },
  { streams: 32, bytes: 102_400 },
  { streams: 1, bytes: 1_048_576 },
] as const

export const suite: MicroSuite = {
  name: 'http3',
  operation: 'request',
  cases: CASES.map(({ streams, bytes, ...rest }) => ({
    ...rest,
    name: `${streams} at a time, ${bytes} bytes`,
    operationsPerCall: streams,
    bytesPerOperation: bytes,
    prepare: () => {
      const pair = new Http3Pair()
      return () => pair.run(streams, bytes)
    },
  })),
}

/** A client session and a server session of HTTP/3 whose streams are memory. */

const REQUEST: OutgoingRequest = {
  method: 'GET',
  scheme: 'https',
  authority: 'www.example.com',
  path: '/assets/app/main-4f2c1b.js?v=12',
  protocol: undefined,
  headers: [
    ['user-agent', 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0'],
    ['accept', '*/*'],
    ['accept-language', 'en-US,en;q=0.5'],
    ['accept-encoding', 'gzip, deflate, br, zstd'],
    ['if-none-match', '"66f1a2b3-1f40"'],
  ].flat(),
}
/** What both sessions ignore or cannot meet here. */
const QUIET: Omit<Http3SessionEvents, 'onRequest'> = {
  onOutput: () => undefined,
  onReady: () => undefined,
  onGoaway: () => undefined,
  onExhausted: () => undefined,
  onStreamClosed: () => undefined,
  onPong: () => undefined,
  onOrigins: () => undefined,
  onHandshake: () => undefined,
  onEarlyData: () => undefined,
  onTicket: () => undefined,
  onDefence: limit => fail(`the defence ${limit} took effect`),
  onEnding: () => undefined,
  onEnd: ({ message }) => fail(message),
}

/** A client and a server that know each other's settings. */
export class Http3Pair implements StreamEvents {
  readonly #quic = MemoryQuic.pair()
  readonly #client: Http3Session
  readonly #server: Http3Session
  #answerBytes = 0
  #ended = 0

  constructor() {
    const common = {
      options: DEFAULT_HTTP3_OPTIONS,
      maxHeaderBytes: 65_536,
      maxHeaderCount: 256,
      maxRequests: 0,
      enableDatagrams: false,
      keep: copy,
    }
    const [clientQuic, serverQuic] = this.#quic
    this.#client = new Http3Session({
      ...common,
      role: 'client',
      quic: clientQuic,
      enableConnectProtocol: false,
      events: { ...QUIET, onRequest: () => fail('a server asked') },
    })
    this.#server = new Http3Session({
      ...common,
      role: 'server',
      quic: serverQuic,
      enableConnectProtocol: true,
      events: { ...QUIET, onRequest: stream => this.#answer(stream) },
    })
    const now = performance.now()
    this.#client.start(now)
    this.#server.start(now)
    this.#pump()
  }

  /** So many requests at once, until all are answered. */
  run(requests: number, answerBytes: number): void {
    this.#answerBytes = answerBytes
    this.#ended = 0
    const now = performance.now()
    for (let i = 0; i < requests; i++) this.#client.open(REQUEST, true, this, now)
    this.#client.flush()
    this.#pump()
    if (this.#ended !== requests) fail(`${this.#ended} of ${requests} were answered`)
  }

  /** Gives each its turn until neither has anything to read. */
  #pump(): void {
    const [clientQuic, serverQuic] = this.#quic
    while (clientQuic.hasNews || serverQuic.hasNews) {
      const now = performance.now()
      if (serverQuic.hasNews) this.#server.onTurn(now)
      if (clientQuic.hasNews) this.#client.onTurn(now)
    }
  }

  /** Within the turn, as our handlers do; QUIC takes everything. */
  #answer(stream: Stream): StreamEvents {
    let left = this.#answerBytes
    stream.respond(200, ['content-length', String(left), ...RESPONSE_HEADERS], false)
    for (; left > 0; left -= CHUNK.length) {
      stream.write(left >= CHUNK.length ? CHUNK : CHUNK.subarray(0, left), copy)
    }
    stream.end(NO_HEADERS)
    return this
  }

  onResponse(head: ResponseHead): void {
    if (head.status !== 200) fail(`status ${head.status}`)
  }

  onData(): void {
    // counted by content-length
  }

  onEnd(): void {
    this.#ended++
  }

  onWritable(): void {
    // no request here has a body
  }

  onReset(reset: StreamReset): void {
    fail(reset.message)
  }
}

interface Inbox {
  bytes: Buffer
  /** What lies in it and was not read: `bytes[at, length)`. */
  at: number
  length: number
  isEnded: boolean
  isTold: boolean
}

const NO_STATS: QuicStats = {
  receivedPackets: 0,
  receivedBytes: 0,
  sentPackets: 0,
  sentBytes: 0,
  lostPackets: 0,
  rttMs: 0,
  congestionWindowBytes: 0,
}

/**
 * One end of a QUIC connection without QUIC: what is written at one end can be read at the other at once. It
 * has all the room in the world, and nothing is lost, so that what is measured over it is HTTP/3 alone.
 */
export class MemoryQuic implements QuicConnection {
  readonly role: 'client' | 'server'
  readonly isEstablished = true
  readonly isInEarlyData = false
  readonly isClosed = false
  readonly maxDatagramBytes = 0
  readonly migrationRefusal = 'memory does not move'
  receivedBytes = 0
  #peer: MemoryQuic | undefined
  readonly #inboxes = new Map<number, Inbox>()
  #readable: number[] = []
  readonly #opened: Record<StreamDirection, number> = { bidirectional: 0, unidirectional: 0 }

  constructor(role: 'client' | 'server') {
    this.role = role
  }

  static pair(): readonly [client: MemoryQuic, server: MemoryQuic] {
    const client = new MemoryQuic('client')
    const server = new MemoryQuic('server')
    client.#peer = server
    server.#peer = client
    return [client, server]
  }

  /** Something waits to be read. */
  get hasNews(): boolean {
    return this.#readable.length > 0
  }

  nextEvent(): QuicEvent | undefined {
    const stream = this.#readable.shift()
    if (stream === undefined) return undefined
    const inbox = this.#inboxes.get(stream)
    if (inbox !== undefined) inbox.isTold = false
    return { type: 'readable', stream }
  }

  streamsLeft(): number {
    return 128
  }

  openStream(direction: StreamDirection): number {
    const sequence = this.#opened[direction]
    this.#opened[direction] = sequence + 1
    return sequence * 4 + (direction === 'unidirectional' ? 2 : 0) + (this.role === 'server' ? 1 : 0)
  }

  write(stream: number, bytes: Uint8Array, isLast: boolean): number {
    this.#peer?.deliver(stream, bytes, isLast)
    return bytes.length
  }

  stopAtOnce(): void {
    throw new Error('nothing is stopped here')
  }

  finish(): boolean {
    throw new Error('messages of HTTP/3 end with a byte')
  }

  deliver(stream: number, bytes: Uint8Array, isLast: boolean): void {
    let inbox = this.#inboxes.get(stream)
    if (inbox === undefined) {
      inbox = { bytes: Buffer.allocUnsafe(2048), at: 0, length: 0, isEnded: false, isTold: false }
      this.#inboxes.set(stream, inbox)
    }
    if (inbox.length + bytes.length > inbox.bytes.length) {
      const grown = Buffer.allocUnsafe(2 * (inbox.length + bytes.length))
      inbox.bytes.copy(grown, 0, 0, inbox.length)
      inbox.bytes = grown
    }
    inbox.bytes.set(bytes, inbox.length)
    inbox.length += bytes.length
    inbox.isEnded = isLast
    this.receivedBytes += bytes.length
    if (inbox.isTold) return
    inbox.isTold = true
    this.#readable.push(stream)
  }

  read(stream: number, into: Buffer): StreamRead | undefined {
    const inbox = this.#inboxes.get(stream)
    if (inbox === undefined) return undefined
    const bytes = inbox.bytes.copy(into, 0, inbox.at, inbox.length)
    inbox.at += bytes
    if (inbox.at === inbox.length) inbox.at = inbox.length = 0
    const isEnd = inbox.isEnded && inbox.length === 0
    if (isEnd) this.#inboxes.delete(stream)
    else if (inbox.length > 0 && !inbox.isTold) {
      inbox.isTold = true
      this.#readable.push(stream)
    }
    return [bytes, isEnd]
  }

  stats(): QuicStats {
    return NO_STATS
  }

  prioritize(): void {
    // everything leaves at once
  }

  receive(): void {
    throw new Error('there are no datagrams')
  }

  onTimeout(): void {
    // there are no timers
  }

  nextDatagram(): undefined {
    return undefined
  }

  nextTimeoutAt(): number {
    return Number.POSITIVE_INFINITY
  }

  reset(stream: number): void {
    throw new Error(`stream ${stream} was reset`)
  }

  stop(stream: number): void {
    throw new Error(`stream ${stream} was stopped`)
  }

  sendDatagram(): boolean {
    return false
  }

  ping(): void {
    // nobody waits for an answer
  }

  close(_isApplication: boolean, code: number, reason: string): void {
    throw new Error(`closed with ${code}: ${reason}`)
  }
}
