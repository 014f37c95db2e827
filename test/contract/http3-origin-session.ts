import { type HeaderList, NO_HEADERS } from '../../src/base/http/headers.ts'
import { DEFAULT_HTTP3_OPTIONS } from '../../src/base/options/protocol-options.ts'
import { Http3Session } from '../../src/http/http3/http3-session.ts'
import type { Http3SessionEvents } from '../../src/http/http3/session.ts'
import type { RequestHead } from '../../src/http/multiplex/messages/message-head.ts'
import type { Stream, StreamEvents, StreamReset } from '../../src/http/multiplex/stream.ts'
import { StreamTunnel } from '../../src/http/multiplex/stream-tunnel.ts'
import type { QuicLink } from '../../src/quic/engine.ts'
import type { OriginExchange, OriginScript } from './contract-peer.ts'

const own = (chunk: Buffer): Buffer => Buffer.from(chunk)
const nothing = (): void => undefined
const record = (list: HeaderList): Record<string, string> =>
  Object.fromEntries(Array.from({ length: list.length / 2 }, (_, i) => [list[2 * i]!, list[2 * i + 1]!]))

/** The server side of a connection under the contract: our own session, whose requests go to a script. */
export function originSession(link: QuicLink, script: OriginScript): Http3Session {
  const events: Http3SessionEvents = {
    onOutput: () => {
      process.nextTick(() => session.flush())
      link.schedule()
    },
    onRequest: (stream, head, endsStream) => {
      const exchange = new ScriptedExchange(stream, head)
      // After this call, in which the session has to learn who is notified of the stream.
      queueMicrotask(() => {
        if (endsStream) exchange.onEnd(NO_HEADERS)
        void script(exchange)
      })
      return exchange
    },
    onHandshake: nothing,
    onEarlyData: nothing,
    mayCloseNow: () => true,
    onTicket: nothing,
    onReady: nothing,
    onGoaway: nothing,
    onExhausted: nothing,
    onStreamClosed: nothing,
    onPong: nothing,
    onOrigins: nothing,
    onDefence: nothing,
    onEnding: nothing,
    onEnd: nothing,
  }
  const session: Http3Session = new Http3Session({
    role: 'server',
    quic: link.connection,
    options: DEFAULT_HTTP3_OPTIONS,
    maxHeaderBytes: 16_384,
    maxHeaderCount: 100,
    maxRequests: 0,
    enableConnectProtocol: true,
    enableDatagrams: false,
    events,
    keep: own,
  })
  link.owner = {
    onTurn: now => session.onTurn(now),
    onClosed: () => session.abandon('the link is closed'),
  }
  session.start(0)
  return session
}

class ScriptedExchange implements OriginExchange, StreamEvents {
  readonly method: string
  readonly path: string
  readonly authority: string
  readonly headers: Readonly<Record<string, string>>
  readonly #stream: Stream
  readonly #chunks: Buffer[] = []
  #trailers: HeaderList = NO_HEADERS
  #hasEnded = false
  #onEnd: () => void = nothing
  #onRoom: () => void = nothing
  #tunnel: StreamTunnel | undefined

  constructor(stream: Stream, head: RequestHead) {
    this.#stream = stream
    this.method = head.method
    this.path = head.path
    this.authority = head.authority
    this.headers = record(head.headers)
    // Until somebody reads it.
    stream.pause()
  }

  async body(): Promise<Buffer> {
    const ended = new Promise<void>(resolve => void (this.#onEnd = resolve))
    this.#stream.resume()
    if (!this.#hasEnded) await ended
    return Buffer.concat(this.#chunks)
  }

  trailers(): Readonly<Record<string, string | undefined>> {
    return record(this.#trailers)
  }

  earlyHints(headers: Record<string, string>): void {
    this.#stream.respond(103, Object.entries(headers).flat(), false)
  }

  respond(status: number, headers: Record<string, string> = {}): void {
    this.#stream.respond(status, Object.entries(headers).flat(), false)
  }

  write(chunk: Uint8Array): boolean {
    return this.#stream.write(chunk, own)
  }

  drained(): Promise<void> {
    return new Promise(resolve => void (this.#onRoom = resolve))
  }

  end(trailers: Record<string, string> = {}): void {
    this.#stream.end(Object.entries(trailers).flat())
  }

  breakOff(): void {
    this.#stream.reset('INTERNAL_ERROR')
  }

  acceptUpgrade(first: string): StreamTunnel['duplex'] {
    this.#stream.respond(200, NO_HEADERS, false)
    const tunnel = new StreamTunnel(this.#stream, own, nothing)
    tunnel.duplex.on('error', nothing) // broken off by either side: the tests look at the client's end
    this.#tunnel = tunnel
    if (first !== '') tunnel.duplex.write(first)
    return tunnel.duplex
  }

  onResponse(): void {
    throw new Error('a server gets no response')
  }

  onData(chunk: Buffer): void {
    if (this.#tunnel === undefined) this.#chunks.push(own(chunk))
    else this.#tunnel.receiveData(chunk)
  }

  onEnd(trailers: HeaderList): void {
    this.#hasEnded = true
    this.#trailers = trailers
    if (this.#tunnel === undefined) this.#onEnd()
    else this.#tunnel.receiveEnd()
  }

  onWritable(): void {
    if (this.#tunnel === undefined) this.#onRoom()
    else this.#tunnel.onWritable()
  }

  onReset({ isError, message }: StreamReset): void {
    // A script that waits for this exchange waits for ever, which is what it asked for.
    this.#tunnel?.receiveReset(new Error(message), isError)
  }
}
