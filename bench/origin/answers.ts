import { headerValue, NO_HEADERS } from '../../src/base/http/headers.ts'
import type { IngressExchange, IngressExchangeEvents } from '../../src/ingress/ingress-exchange.ts'
import { bodyOf } from '../../test/support/body-files.ts'
import { BODY_SIZES, type BodySize } from '../lib/body-sizes.ts'

/** What is given to the session at once of a large body. */
const PIECE = Buffer.alloc(65_536)
/** nginx has files of these; the larger ones are zeros, as there. */
const WHOLE: Readonly<Partial<Record<BodySize, Buffer>>> = {
  '1k': bodyOf(BODY_SIZES['1k']),
  '100k': bodyOf(BODY_SIZES['100k']),
}

/** The fields of an answer of nginx, which the other subjects of a scenario get. */
function headOf(bytes: number): readonly string[] {
  return [
    ['server', 'nginx/1.22.1'],
    ['date', new Date().toUTCString()],
    ['content-type', 'application/octet-stream'],
    ['content-length', String(bytes)],
    ['last-modified', 'Mon, 03 Mar 2025 08:00:00 GMT'],
    ['etag', `"66f1a2b3-${bytes.toString(16)}"`],
    ['accept-ranges', 'bytes'],
  ].flat()
}

/** The heads change once a second: between, the encoder sees the same list and knows it. */
const heads = new Map<BodySize, { readonly at: number; readonly head: readonly string[] }>()

function currentHead(size: BodySize): readonly string[] {
  const at = Math.floor(performance.now() / 1000)
  const known = heads.get(size)
  if (known?.at === at) return known.head
  const head = headOf(BODY_SIZES[size])
  heads.set(size, { at, head })
  return head
}

/** Answers `/1k`, `/100k` and the other sizes of the bench as its nginx does; anything else is 404. */
export function answer(exchange: IngressExchange): void {
  const name = exchange.path.slice(1)
  if (!isSize(name)) {
    exchange.respondStart(404, ['content-length', '0'])
    exchange.respondEnd(NO_HEADERS)
    return
  }
  // A relay or a ticket that is worth nothing shows here: early requests are marked (RFC 8470).
  if (headerValue(exchange.headers, 'early-data') === '1') counters.earlyRequests++
  const whole = WHOLE[name]
  exchange.respondStart(200, currentHead(name))
  if (whole === undefined) new LongAnswer(exchange, BODY_SIZES[name]).onDrain()
  else {
    exchange.respondData(whole, keepAsItIs)
    exchange.respondEnd(NO_HEADERS)
  }
}

/** Of all answers so far. */
export const counters = { earlyRequests: 0 }

/** A body that goes out as its reader takes it. */
class LongAnswer implements IngressExchangeEvents {
  readonly #exchange: IngressExchange
  #leftBytes: number

  constructor(exchange: IngressExchange, bytes: number) {
    this.#exchange = exchange
    this.#leftBytes = bytes
    exchange.events = this
  }

  onDrain(): void {
    while (this.#leftBytes > 0) {
      const piece = this.#leftBytes >= PIECE.length ? PIECE : PIECE.subarray(0, this.#leftBytes)
      this.#leftBytes -= piece.length
      if (!this.#exchange.respondData(piece, keepAsItIs)) return
    }
    this.#exchange.respondEnd(NO_HEADERS)
  }

  onAborted(): void {
    this.#leftBytes = 0
  }
}

/** Nobody writes into these. */
function keepAsItIs(chunk: Buffer): Buffer {
  return chunk
}

function isSize(name: string): name is BodySize {
  return Object.hasOwn(BODY_SIZES, name)
}

/** Of a message behind its prefix: a call of gRPC in a body of 200 bytes. */
const MESSAGE_BYTES = 195
const PREFIX_BYTES = 5
/** Not compressed, so many bytes, and these (gRPC over HTTP/2, Length-Prefixed-Message). */
const ANSWER = Buffer.alloc(PREFIX_BYTES + MESSAGE_BYTES, 0x6d)
ANSWER[0] = 0
ANSWER.writeUInt32BE(MESSAGE_BYTES, 1)

const HEAD = ['content-type', 'application/grpc'] as const
const TRAILERS = ['grpc-status', '0'] as const

/**
 * Answers as a unary method of gRPC does: when the request's body is there, with one message and its status
 * in trailers.
 */
export function answerUnary(exchange: IngressExchange): void {
  exchange.events = NOTHING_HELD
  const { body } = exchange
  if (body === null || body instanceof Uint8Array) {
    respond(exchange)
    return
  }
  body.attach({
    write: () => true,
    end: () => respond(exchange),
    fail: () => undefined, // the client is gone: onAborted says it too
  })
}

function respond(exchange: IngressExchange): void {
  exchange.respondStart(200, HEAD)
  exchange.respondData(ANSWER, keepAsItIs)
  exchange.respondEnd(TRAILERS)
}

const NOTHING_HELD: IngressExchangeEvents = {
  onDrain: () => undefined,
  onAborted: () => undefined,
}
