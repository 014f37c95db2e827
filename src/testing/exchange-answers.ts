import { createHash } from 'node:crypto'
import { TransportError } from '../base/errors.ts'
import type { BodySink } from '../base/http/exchange.ts'
import { type HeaderList, headersToRecord, headerValue, NO_HEADERS } from '../base/http/headers.ts'
import type { IngressExchange, IngressExchangeEvents } from '../ingress/ingress-exchange.ts'
import { patternBytes, type SeenRequest } from './origin-answers.ts'

const PIECE_BYTES = 65_536

/**
 * Answers one exchange of our own ingress by the table of origin-answers.ts: the same paths, over any
 * protocol.
 */
export class ExchangeAnswer implements IngressExchangeEvents {
  readonly #exchange: IngressExchange
  readonly #describe: ((seen: SeenRequest) => string) | undefined
  #timer: NodeJS.Timeout | undefined
  /** What goes on when the client takes more. */
  #more: (() => void) | undefined
  #isOver = false

  /** Answers after `delayMs`. `describe` as in OriginSettings. */
  constructor(exchange: IngressExchange, delayMs: number, describe?: (seen: SeenRequest) => string) {
    this.#exchange = exchange
    this.#describe = describe
    this.#timer = undefined
    this.#more = undefined
    exchange.events = this
    if (delayMs === 0) this.#answer()
    else this.#later(delayMs, () => this.#answer())
  }

  onDrain(): void {
    const more = this.#more
    this.#more = undefined
    more?.()
  }

  onAborted(): void {
    this.#isOver = true
    clearTimeout(this.#timer)
  }

  #answer(): void {
    const { method, path, upgrade } = this.#exchange
    const url = new URL(path, 'http://origin')
    const [, first = '', second = ''] = url.pathname.split('/')
    const number = (name: string, fallback: number): number => Number(url.searchParams.get(name) ?? fallback)
    if (upgrade !== undefined) {
      const tunnel = this.#exchange.acceptUpgrade(101, NO_HEADERS)
      tunnel.on('error', () => {}) // a client may go at any time: 'close' follows
      tunnel.pipe(tunnel)
      return
    }
    switch (first) {
      case 'bytes':
        return this.#bytes(patternBytes(Number(second)), true)
      case 'chunked':
        return this.#bytes(patternBytes(Number(second)), false)
      case 'echo':
        return this.#echo()
      case 'inspect':
        return this.#inspect()
      case 'slow':
        return this.#later(number('ms', 100), () => this.#json({ slow: true }))
      case 'drip':
        return this.#drip(number('n', 5), number('ms', 20))
      case 'trailers':
        this.#exchange.respondStart(200, ['content-type', 'text/plain'])
        this.#data(Buffer.from('with trailers'))
        return this.#exchange.respondEnd(['x-checksum', 'abc123'])
      case 'informational':
        this.#exchange.respondInformational(103, ['link', '</style.css>; rel=preload; as=style'])
        return this.#json({ informational: true })
      case 'redirect':
        this.#exchange.respondStart(302, [
          'location',
          url.searchParams.get('to') ?? '/',
          'content-length',
          '0',
        ])
        return this.#exchange.respondEnd(NO_HEADERS)
      case 'status':
        return this.#status(Number(second))
      case 'too-early': {
        const isEarly = headerValue(this.#exchange.headers, 'early-data') === '1'
        return this.#json({ tooEarly: isEarly }, isEarly ? 425 : 200)
      }
      case 'abort':
        this.#exchange.respondStart(200, ['content-length', '1000'])
        this.#data(Buffer.alloc(500))
        return this.#exchange.abort(new TransportError('MM_BODY_FAILED', 'the answer breaks off, as asked'))
      case 'silent':
        return
      default:
        if (this.#describe === undefined) this.#json({ method, path })
        else this.#text(this.#describe(this.#exchange))
    }
  }

  #json(value: unknown, status = 200): void {
    this.#text(`${JSON.stringify(value)}\n`, 'application/json', status)
  }

  #text(text: string, type = 'text/plain; charset=utf-8', status = 200): void {
    const body = Buffer.from(text)
    this.#exchange.respondStart(status, ['content-type', type, 'content-length', String(body.length)])
    if (this.#exchange.method !== 'HEAD') this.#data(body)
    this.#exchange.respondEnd(NO_HEADERS)
  }

  #status(status: number): void {
    if (status !== 204 && status !== 304) return this.#json({ status }, status)
    this.#exchange.respondStart(status, NO_HEADERS) // RFC 9110 8.6: neither body nor length
    this.#exchange.respondEnd(NO_HEADERS)
  }

  #bytes(body: Buffer, hasLength: boolean): void {
    const length = hasLength ? ['content-length', String(body.length)] : []
    this.#exchange.respondStart(200, [...length, 'content-type', 'application/octet-stream'])
    let offset = this.#exchange.method === 'HEAD' ? body.length : 0
    const more = (): void => {
      while (offset < body.length) {
        const piece = body.subarray(offset, offset + PIECE_BYTES)
        offset += piece.length
        if (!this.#data(piece)) {
          this.#more = more
          return
        }
      }
      this.#exchange.respondEnd(NO_HEADERS)
    }
    more()
  }

  #drip(pieces: number, everyMs: number): void {
    this.#exchange.respondStart(200, NO_HEADERS)
    let sent = 0
    const next = (): void => {
      if (sent++ === pieces) return this.#exchange.respondEnd(NO_HEADERS)
      this.#data(Buffer.from(`${`${sent}`.padStart(9, '.')}\n`))
      this.#later(everyMs, next)
    }
    this.#later(everyMs, next)
  }

  #echo(): void {
    const { method, path, headers } = this.#exchange
    const shown: string[] = [
      'x-request',
      JSON.stringify({ method, url: path, headers: headersToRecord(headers) }),
    ]
    for (const name of ['content-type', 'content-length']) {
      const value = headerValue(headers, name)
      if (value !== undefined) shown.push(name, value)
    }
    this.#exchange.respondStart(200, shown)
    this.#readBody(
      chunk => this.#data(chunk),
      () => this.#exchange.respondEnd(NO_HEADERS),
    )
  }

  #inspect(): void {
    const { method, path, headers } = this.#exchange
    const hash = createHash('sha256')
    let bodyBytes = 0
    this.#readBody(
      chunk => {
        hash.update(chunk)
        bodyBytes += chunk.length
        return true
      },
      trailers => {
        const bodySha256 = hash.digest('hex')
        const fields = { headers: headersToRecord(headers), trailers: headersToRecord(trailers) }
        this.#json({ method, url: path, bodyBytes, bodySha256, ...fields })
      },
    )
  }

  /** `onChunk` answers whether it takes more at once; else the client's onDrain lets the body go on. */
  #readBody(onChunk: (chunk: Buffer) => boolean, onEnd: (trailers: HeaderList) => void): void {
    const { body } = this.#exchange
    if (body === null) return onEnd(NO_HEADERS)
    if (body instanceof Uint8Array) {
      onChunk(Buffer.from(body))
      return onEnd(NO_HEADERS)
    }
    const sink: BodySink = {
      write: chunk => {
        if (onChunk(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length))) return true
        this.#more = () => body.resume()
        return false
      },
      end: trailers => {
        if (!this.#isOver) onEnd(trailers)
      },
      fail: error => this.#exchange.abort(error),
    }
    body.attach(sink)
  }

  /** Every chunk of ours stays as it is, so that it need not be copied to be kept. */
  #data(chunk: Buffer): boolean {
    return this.#exchange.respondData(chunk, kept => kept)
  }

  #later(delayMs: number, call: () => void): void {
    this.#timer = setTimeout(call, delayMs)
    this.#timer.unref()
  }
}
