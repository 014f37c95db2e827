import { readFileSync } from 'node:fs'
import type { BodySink } from '../../../src/base/http/exchange.ts'
import { NO_HEADERS } from '../../../src/base/http/headers.ts'
import type { IngressExchange, IngressExchangeEvents } from '../../../src/ingress/ingress-exchange.ts'
import { listen } from '../../../src/ingress/listener.ts'
import { listenQuic } from '../../../src/ingress/quic-listener.ts'
import { parseRequestPath, payload } from '../payload.ts'
import { OriginLog } from '../soak-logs.ts'
import type { OriginJob } from './origin-process.ts'

/**
 * A program: the origin of the soak that speaks HTTP/3, and over TCP on the same port HTTP/1.1 for proxies
 * without QUIC. What becomes of it is done from outside: it is killed and started again. It has no key for
 * stateless resets, so that its clients are not notified.
 */
const job = JSON.parse(process.argv[2] ?? '{}') as OriginJob // start-origins.ts writes it
const log = new OriginLog(job.logFile)
const tls = {
  cert: readFileSync(job.tls?.certFile ?? '', 'utf8'),
  key: readFileSync(job.tls?.keyFile ?? '', 'utf8'),
}
const address = { host: '127.0.0.1', port: job.port }

await listen({ address, tls, protocols: ['http/1.1'], handler: answer })
await listenQuic({
  address,
  tls,
  retry: 'never',
  limits: { quic: { maxConcurrentStreams: 256 } },
  handler: answer,
})
process.send?.('ready')
process.once('disconnect', () => process.exit(0))

function answer(exchange: IngressExchange): void {
  const target = parseRequestPath(exchange.path)
  if (target === undefined) {
    exchange.respondStart(404, ['content-length', '0'])
    exchange.respondEnd(NO_HEADERS)
    return
  }
  const { id, bytes } = target
  const respond = (body: Buffer): void => {
    if (exchange.method === 'POST') log.processed(id)
    if (body.length > 0 && !body.equals(payload(id, body.length))) {
      exchange.respondStart(400, ['content-length', '0', 'x-soak-id', id, 'x-soak-body', 'wrong'])
      exchange.respondEnd(NO_HEADERS)
    } else new Answer(exchange, id, bytes).onDrain()
  }
  const { body } = exchange
  if (body === null) respond(Buffer.alloc(0))
  else if (body instanceof Uint8Array) respond(Buffer.from(body))
  else {
    exchange.events = { onDrain() {}, onAborted() {} }
    body.attach(new Collected(respond))
  }
}

/** A request body until it is complete. One that fails has nobody left to answer. */
class Collected implements BodySink {
  readonly #done: (body: Buffer) => void
  readonly #chunks: Buffer[] = []

  constructor(done: (body: Buffer) => void) {
    this.#done = done
  }

  write(chunk: Uint8Array): boolean {
    this.#chunks.push(Buffer.from(chunk))
    return true
  }

  end(): void {
    this.#done(Buffer.concat(this.#chunks))
  }

  fail(): void {}
}

/** A body that goes out as its reader takes it. */
class Answer implements IngressExchangeEvents {
  readonly #exchange: IngressExchange
  #rest: Buffer

  constructor(exchange: IngressExchange, id: string, bytes: number) {
    this.#exchange = exchange
    this.#rest = exchange.method === 'HEAD' ? Buffer.alloc(0) : payload(id, bytes)
    exchange.events = this
    exchange.respondStart(200, ['content-length', String(bytes), 'x-soak-id', id])
  }

  onDrain(): void {
    while (this.#rest.length > 0) {
      const piece = this.#rest.subarray(0, 65_536)
      this.#rest = this.#rest.subarray(piece.length)
      if (!this.#exchange.respondData(piece, chunk => chunk)) return
    }
    this.#exchange.respondEnd(NO_HEADERS)
  }

  onAborted(): void {
    this.#rest = Buffer.alloc(0)
  }
}
