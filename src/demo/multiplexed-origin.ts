import type { SecureContextOptions } from 'node:tls'
import type { IngressExchange } from '../ingress/ingress-exchange.ts'
import { type IngressListener, listen } from '../ingress/listener.ts'

/** An origin that speaks HTTP/2 (and HTTP/1.1 to whoever cannot): our own listening side, answering with what it was asked. */
export async function startMultiplexedOrigin(tls: SecureContextOptions): Promise<IngressListener> {
  return await listen({ address: { host: '127.0.0.1', port: 0 }, tls, handler: answer })
}

function answer(exchange: IngressExchange): void {
  exchange.events = IGNORED_EVENTS
  const { method, path } = exchange
  const body = Buffer.from(`${JSON.stringify({ method, path })}\n`)
  exchange.respondStart(200, [
    'content-type',
    'application/json',
    'content-length',
    String(body.length),
    'date',
    new Date().toUTCString(),
  ])
  if (method !== 'HEAD') exchange.respondData(body, keepOwned)
  exchange.respondEnd([])
}

/** An answer that is complete at once has nothing to hear of its client. */
const IGNORED_EVENTS = { onDrain(): void {}, onAborted(): void {} }

/** The body is ours and is not changed any more. */
function keepOwned(chunk: Buffer): Buffer {
  return chunk
}
