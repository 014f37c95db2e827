import { NO_HEADERS } from '../../../src/base/http/headers.ts'
import { DEFAULT_HTTP2_OPTIONS } from '../../../src/base/options/protocol-options.ts'
import { Http2Session } from '../../../src/http/http2/http2-session.ts'
import type { Http2SessionEvents, Http2SessionOptions } from '../../../src/http/http2/session.ts'
import type { OutgoingRequest } from '../../../src/http/multiplex/client-session.ts'
import type { ResponseHead } from '../../../src/http/multiplex/messages/message-head.ts'
import type { Stream, StreamEvents, StreamReset } from '../../../src/http/multiplex/stream.ts'
import type { MicroSuite } from '../suite.ts'
import { CHUNK, copy, fail, RESPONSE_HEADERS } from './session-parts.ts'

/**
 * What HTTP/2 costs without sockets. Both roles together: one request here is more than a client's or a
 * proxy's half of it. For regressions, not for proof.
 */

const ANSWER_HEADERS = [...RESPONSE_HEADERS, 'vary', 'Accept-Encoding', 'accept-ranges', 'bytes']

/** What both sessions ignore or cannot meet here. */
const QUIET: Omit<Http2SessionEvents, 'onRequest' | 'onEnd'> = {
  onOutput: () => undefined,
  onSettings: () => undefined,
  onGoaway: () => undefined,
  onExhausted: () => undefined,
  onStreamClosed: () => undefined,
  onPong: () => undefined,
  onOrigins: () => undefined,
  onAltSvc: () => undefined,
  onDefence: limit => fail(`the defence ${limit} took effect`),
  onEnding: () => undefined,
}

/** Answers one request with so many bytes. */
class Answer implements StreamEvents {
  readonly #stream: Stream
  #left: number

  constructor(stream: Stream, bytes: number) {
    this.#stream = stream
    this.#left = bytes
  }

  begin(): this {
    this.#stream.respond(200, ['content-length', String(this.#left), ...ANSWER_HEADERS], false)
    this.onWritable()
    return this
  }

  onWritable(): void {
    while (this.#left > 0) {
      const chunk = this.#left >= CHUNK.length ? CHUNK : CHUNK.subarray(0, this.#left)
      this.#left -= chunk.length
      if (!this.#stream.write(chunk, copy)) return
    }
    if (this.#stream.isSendOpen) this.#stream.end(NO_HEADERS)
  }

  onResponse(): void {
    // a client's
  }

  onData(): void {
    // no request here has a body
  }

  onEnd(): void {
    // it ended with its head
  }

  onReset(reset: StreamReset): void {
    fail(reset.message)
  }
}

/** A client and a server that know each other's settings. */
export class Http2Pair implements StreamEvents {
  readonly #client: Http2Session
  readonly #server: Http2Session
  #answerBytes = 0
  #ended = 0
  received = 0

  constructor() {
    const common = {
      options: DEFAULT_HTTP2_OPTIONS,
      maxHeaderBytes: 65_536,
      maxHeaderCount: 256,
    }
    const onEnd: Http2SessionEvents['onEnd'] = ({ message }) => fail(message)
    const clientOptions: Http2SessionOptions = {
      ...common,
      role: 'client',
      enableConnectProtocol: false,
      events: { ...QUIET, onEnd, onRequest: () => fail('a server asked') },
    }
    this.#client = new Http2Session(clientOptions)
    this.#server = new Http2Session({
      ...common,
      role: 'server',
      enableConnectProtocol: true,
      events: {
        ...QUIET,
        onEnd,
        onRequest: stream => new Answer(stream, this.#answerBytes).begin(),
      },
    })
    const now = performance.now()
    this.#client.start(now)
    this.#server.start(now)
    this.#pump()
  }

  /** So many requests at once, until all are answered. */
  run(request: OutgoingRequest, requests: number, answerBytes: number): void {
    this.#answerBytes = answerBytes
    this.#ended = 0
    const now = performance.now()
    for (let i = 0; i < requests; i++) this.#client.open(request, true, this, now)
    this.#pump()
    if (this.#ended !== requests) fail(`${this.#ended} of ${requests} were answered`)
  }

  /** Hands over what each has put out until neither has more to say. */
  #pump(): void {
    while (this.#client.outputBytes > 0 || this.#server.outputBytes > 0) {
      const now = performance.now()
      handOver(this.#client, this.#server, now)
      handOver(this.#server, this.#client, now)
    }
  }

  onResponse(head: ResponseHead): void {
    if (head.status !== 200) fail(`status ${head.status}`)
  }

  onData(chunk: Buffer): void {
    this.received += chunk.length
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

function handOver(from: Http2Session, to: Http2Session, now: number): void {
  if (from.outputBytes === 0) return
  for (const piece of from.takeOutput()) to.receive(piece, 0, piece.length, now)
  from.releaseOutput()
}

/** What comes again, field for field: its block is decoded once. */
const PLAIN: OutgoingRequest = {
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
    ['referer', 'https://www.example.com/start'],
    ['if-none-match', '"66f1a2b3-1f40"'],
    ['x-request-id', '7f3d9a52c1e84b06'],
  ].flat(),
}
/** A secret is sent as a literal and kept nowhere, so that its block is decoded each time. */
const SECRET: OutgoingRequest = {
  ...PLAIN,
  headers: [...PLAIN.headers, 'cookie', 'session=0123456789abcdef0123456789abcdef; theme=dark'],
}

const CASES = [
  { kind: 'plain', request: PLAIN, streams: 1, bytes: 1024 },
  { kind: 'plain', request: PLAIN, streams: 32, bytes: 1024 },
  { kind: 'plain', request: PLAIN, streams: 100, bytes: 1024, hasSites: true },
  { kind: 'with a cookie', request: SECRET, streams: 100, bytes: 1024, hasSites: true },
  { kind: 'plain', request: PLAIN, streams: 32, bytes: 102_400 },
  { kind: 'plain', request: PLAIN, streams: 1, bytes: 16_777_216 },
] as const

export const suite: MicroSuite = {
  name: 'http2',
  operation: 'request',
  cases: CASES.map(({ kind, request, streams, bytes, ...rest }) => ({
    ...rest,
    name: `${kind}, ${streams} at a time, ${bytes} bytes`,
    operationsPerCall: streams,
    bytesPerOperation: bytes,
    prepare: () => {
      const pair = new Http2Pair()
      return () => pair.run(request, streams, bytes)
    },
  })),
}
