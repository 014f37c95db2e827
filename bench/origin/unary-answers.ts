import type { IngressExchange, IngressExchangeEvents } from '../../src/ingress/ingress-exchange.ts'

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

/** Nobody writes into it. */
function keepAsItIs(chunk: Buffer): Buffer {
  return chunk
}
