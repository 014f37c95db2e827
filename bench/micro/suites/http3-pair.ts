/** A client session and a server session of HTTP/3 whose streams are memory. */
import { NO_HEADERS } from '../../../src/base/http/headers.ts'
import { DEFAULT_HTTP3_OPTIONS } from '../../../src/base/options/protocol-options.ts'
import { createSession } from '../../../src/http/http3/create-session.ts'
import type { Session, SessionEvents } from '../../../src/http/http3/session.ts'
import type { OutgoingRequest } from '../../../src/http/multiplex/client-session.ts'
import type { ResponseHead } from '../../../src/http/multiplex/messages/message-head.ts'
import type { Stream, StreamEvents, StreamReset } from '../../../src/http/multiplex/stream.ts'
import { MemoryQuic } from '../../lib/clients/memory-quic.ts'

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
const RESPONSE_HEADERS = [
  ['server', 'nginx/1.26.2'],
  ['date', 'Tue, 04 Mar 2025 10:12:13 GMT'],
  ['content-type', 'application/javascript'],
  ['last-modified', 'Mon, 03 Mar 2025 08:00:00 GMT'],
  ['etag', '"66f1a2b3-1f40"'],
  ['cache-control', 'public, max-age=31536000, immutable'],
].flat()
/** What one write of a body is. */
const CHUNK = Buffer.alloc(16_384, 'x')
const copy = (chunk: Buffer): Buffer => Buffer.from(chunk)

function fail(message: string): never {
  throw new Error(message)
}

/** What both sessions ignore or cannot meet here. */
const QUIET: Omit<SessionEvents, 'onRequest'> = {
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
  onDatagram: () => undefined,
  onDefence: limit => fail(`the defence ${limit} took effect`),
  onEnding: () => undefined,
  onEnd: ({ message }) => fail(message),
}

/** A client and a server that know each other's settings. */
export class Http3Pair implements StreamEvents {
  readonly #quic = MemoryQuic.pair()
  readonly #client: Session
  readonly #server: Session
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
    this.#client = createSession({
      ...common,
      role: 'client',
      quic: clientQuic,
      enableConnectProtocol: false,
      events: { ...QUIET, onRequest: () => fail('a server asked') },
    })
    this.#server = createSession({
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
