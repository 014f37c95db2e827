import { Duplex } from 'node:stream'
import type { TransportError } from '../../../src/base/errors.ts'
import { DEFAULT_CODEC_LIMITS } from '../../../src/http/http1/codec/codec-failure.ts'
import { FlooderTable } from '../../../src/ingress/flooder-table.ts'
import { ServerHttp1Session } from '../../../src/ingress/http1/server-http1-session.ts'
import type { IngressEvent } from '../../../src/ingress/ingress-event.ts'
import type { IngressExchange } from '../../../src/ingress/ingress-exchange.ts'
import { DEFAULT_INGRESS_LIMITS, type IngressLimits } from '../../../src/ingress/ingress-limits.ts'
import { newIngressStats } from '../../../src/ingress/ingress-stats.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'

/**
 * The server's end of a connection: what is written can be looked at, and held up as by a client that does
 * not read.
 */
export class FakeSocket extends Duplex {
  readonly remoteAddress = '192.0.2.1'
  readonly remotePort = 4711
  readonly localAddress = '192.0.2.2'
  readonly localPort = 8080
  /** Each write as the kernel would see it. */
  readonly writes: string[] = []
  wasReset = false
  isStalled = false
  #taken = 0
  #release: (() => void) | undefined

  constructor() {
    super({ allowHalfOpen: true, highWaterMark: 65_536 })
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, callback: () => void): void {
    this.#take(Buffer.from(chunk), callback)
  }

  override _writev(chunks: { chunk: Buffer }[], callback: () => void): void {
    this.#take(Buffer.concat(chunks.map(({ chunk }) => chunk)), callback)
  }

  #take(bytes: Buffer, callback: () => void): void {
    this.writes.push(bytes.toString('latin1'))
    const taken = (): void => {
      this.#taken += bytes.length
      callback()
    }
    if (this.isStalled) this.#release = taken
    else taken()
  }

  get bytesWritten(): number {
    return this.#taken + this.writableLength
  }

  release(): void {
    const release = this.#release
    this.#release = undefined
    release?.()
  }

  resetAndDestroy(): void {
    this.wasReset = true
    this.destroy()
  }
}

/** A client of one session, with the exchanges that it caused. */
export class FakeClient {
  readonly clock = new FakeClock()
  readonly socket = new FakeSocket()
  readonly stats = newIngressStats()
  readonly events: IngressEvent[] = []
  readonly exchanges: IngressExchange[] = []
  readonly aborted: TransportError[] = []
  readonly session: ServerHttp1Session
  /** Sockets whose silence is watched, each with the one below it. */
  readonly watched: (readonly [Duplex, Duplex])[] = []
  drains = 0

  constructor(limits: Partial<IngressLimits> = {}, handler?: (exchange: IngressExchange) => void) {
    const all = { ...DEFAULT_INGRESS_LIMITS, ...limits }
    this.session = new ServerHttp1Session(this.socket, {
      limits: all,
      silence: { add: (socket, tcp) => void this.watched.push([socket, tcp]) },
      codecLimits: {
        ...DEFAULT_CODEC_LIMITS,
        maxLineBytes: all.maxLineBytes,
        maxHeaderBytes: all.maxHeaderBytes,
      },
      clock: this.clock,
      stats: this.stats,
      observer: event => this.events.push(event),
      flooders: new FlooderTable(DEFAULT_INGRESS_LIMITS),
      scheme: 'http',
      proxyName: 'middlemile',
      handler: exchange => {
        exchange.events = {
          onDrain: () => this.drains++,
          onAborted: error => this.aborted.push(error),
        }
        this.exchanges.push(exchange)
        handler?.(exchange)
      },
    })
  }

  send(text: string): void {
    const bytes = Buffer.from(text, 'latin1')
    this.session.receive(bytes, 0, bytes.length)
  }

  /** The exchange that began last. */
  get exchange(): IngressExchange {
    const last = this.exchanges.at(-1)
    if (last === undefined) throw new Error('no exchange began')
    return last
  }

  /** Everything that was written so far. */
  get output(): string {
    return this.socket.writes.join('')
  }
}

/** The smallest request. */
export const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'

/** For chunks that a test owns. */
export const own = (chunk: Buffer): Buffer => chunk

/** Answers at once. */
export function answerOk(exchange: IngressExchange, body = 'ok'): void {
  exchange.respondStart(200, ['content-length', String(body.length)])
  exchange.respondData(Buffer.from(body), own)
  exchange.respondEnd([])
}

/** Lets everything that waits for the end of the current run of JavaScript happen. */
export const tick = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

export const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'
