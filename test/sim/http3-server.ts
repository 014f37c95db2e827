import type { Clock, Timer } from '../../src/base/clock.ts'
import { type HeaderList, NO_HEADERS } from '../../src/base/http/headers.ts'
import {
  DEFAULT_HTTP3_OPTIONS,
  DEFAULT_LIVENESS_OPTIONS,
  type Http3Options,
} from '../../src/base/options/protocol-options.ts'
import { Http3Session } from '../../src/http/http3/http3-session.ts'
import type { Http3SessionEvents } from '../../src/http/http3/session.ts'
import type { SessionEnd } from '../../src/http/multiplex/client-session.ts'
import type { RequestHead } from '../../src/http/multiplex/messages/message-head.ts'
import type { Stream, StreamEvents, StreamReset } from '../../src/http/multiplex/stream.ts'
import type { QuicLinkOwner } from '../../src/quic/engine.ts'
import type { SimulatedLink } from '../support/simulated-quic/simulated-link.ts'

/** An answer as the server is to give it. */
export interface Answer {
  status: number
  headers: HeaderList
  body: Buffer
  trailers: HeaderList
  /** 103 with these fields comes first. */
  hints: HeaderList
}

/** One request at the server, with all that came of it. */
export class ServedRequest implements StreamEvents {
  readonly stream: Stream
  readonly head: RequestHead
  readonly wasEarly: boolean
  readonly chunks: Buffer[] = []
  trailers: HeaderList = NO_HEADERS
  isComplete = false
  reset: StreamReset | undefined
  readonly #server: Http3Server
  #rest: Buffer = Buffer.alloc(0)
  #end: HeaderList | undefined

  constructor(server: Http3Server, stream: Stream, head: RequestHead, wasEarly: boolean) {
    this.#server = server
    this.stream = stream
    this.head = head
    this.wasEarly = wasEarly
  }

  get body(): Buffer {
    return Buffer.concat(this.chunks)
  }

  /** Bytes of the answer that neither the session nor the network has taken. */
  get unsentBytes(): number {
    return this.#rest.length
  }

  answer({
    status = 200,
    headers = NO_HEADERS,
    body = Buffer.alloc(0),
    trailers = NO_HEADERS,
    hints = NO_HEADERS,
  }: Partial<Answer>): void {
    if (hints.length > 0) this.stream.respond(103, hints, false)
    this.stream.respond(status, headers, false)
    this.#rest = body
    this.#end = trailers
    this.onWritable()
  }

  onResponse(): void {
    throw new Error('a server gets no response')
  }

  onData(chunk: Buffer): void {
    this.chunks.push(Buffer.from(chunk))
  }

  onEnd(trailers: HeaderList): void {
    this.trailers = trailers
    this.isComplete = true
    this.#server.onRequest(this)
  }

  onWritable(): void {
    while (this.#rest.length > 0) {
      const chunk = this.#rest.subarray(0, 7000)
      this.#rest = this.#rest.subarray(chunk.length)
      if (!this.stream.write(chunk, piece => Buffer.from(piece))) return
    }
    const trailers = this.#end
    this.#end = undefined
    if (trailers !== undefined) this.stream.end(trailers)
  }

  onReset(reset: StreamReset): void {
    this.reset = reset
  }
}

/**
 * A server of HTTP/3 on a simulated link: the session of the server role, driven as an ingress drives it,
 * with a handler that tests set.
 */
export class Http3Server implements QuicLinkOwner {
  readonly session: Http3Session
  /** In order of their heads. */
  readonly requests: ServedRequest[] = []
  readonly defences: string[] = []
  end: SessionEnd | undefined
  /** Called when a request is complete. */
  onRequest: (request: ServedRequest) => void = request => request.answer({})
  /** Called when its head has come. */
  onHead: (request: ServedRequest) => void = () => {}
  readonly #link: SimulatedLink
  readonly #clock: Clock
  #timer: Timer | undefined

  constructor(link: SimulatedLink, clock: Clock, http3: Partial<Http3Options> = {}) {
    this.#link = link
    this.#clock = clock
    link.owner = this
    this.session = new Http3Session({
      role: 'server',
      quic: link.connection,
      options: { ...DEFAULT_HTTP3_OPTIONS, ...http3 },
      maxHeaderBytes: 16_384,
      maxHeaderCount: 100,
      maxRequests: 100_000,
      enableConnectProtocol: false,
      enableDatagrams: false,
      liveness: DEFAULT_LIVENESS_OPTIONS,
      events: this.#events(),
      keep: chunk => Buffer.from(chunk),
    })
    this.session.start(clock.now())
  }

  /** Takes no more requests: GOAWAY. */
  drain(): void {
    this.session.drain(this.#clock.now())
    this.#arm()
  }

  onTurn(now: number): void {
    this.session.onTurn(now)
    this.#arm()
  }

  onClosed(): void {
    this.#timer?.cancel()
    this.session.abandon('the link is gone')
  }

  #arm(): void {
    this.#timer?.cancel()
    const { nextTimeoutAt } = this.session
    if (nextTimeoutAt === Infinity) return
    this.#timer = this.#clock.setTimer(nextTimeoutAt - this.#clock.now(), () => {
      this.session.onTimeout(this.#clock.now())
      this.#arm()
    })
  }

  #events(): Http3SessionEvents {
    const nothing = (): void => {}
    return {
      onOutput: () => {
        process.nextTick(() => this.session.flush())
        this.#link.schedule()
      },
      onHandshake: nothing,
      onEarlyData: nothing,
      onTicket: nothing,
      onReady: nothing,
      onGoaway: nothing,
      onExhausted: nothing,
      onStreamClosed: nothing,
      onPong: nothing,
      onOrigins: nothing,
      onEnding: nothing,
      onDefence: limit => void this.defences.push(limit),
      onEnd: end => {
        this.end = end
      },
      onRequest: (stream, head, endsStream) => {
        const request = new ServedRequest(this, stream, head, this.#link.connection.isInEarlyData)
        this.requests.push(request)
        this.onHead(request)
        if (endsStream) request.onEnd(NO_HEADERS)
        return request
      },
    }
  }
}
