import type { TransportError } from '../base/errors.ts'
import { isRepeatable } from '../base/http/exchange.ts'
import type { PathUser } from '../origin/paths/http3-paths.ts'
import { type HedgedExchange, HedgedRequest, type HedgedRequestParts } from './hedged-request.ts'

interface Http3TryParts extends HedgedRequestParts {
  readonly exchange: HedgedExchange & PathUser
}

/**
 * What a try over HTTP/3 has beside its connection: a path, which may become unresponsive while the request
 * is out, and the hedged request of one that may be sent twice.
 */
export class Http3Try {
  readonly #parts: Http3TryParts
  #hedge: HedgedRequest | undefined

  constructor(parts: Http3TryParts) {
    this.#parts = parts
  }

  /** The request leaves: the path reports to the exchange until `leave`. */
  join(): void {
    this.#parts.path.join(this.#parts.exchange)
  }

  leave(): void {
    this.#parts.path.leave(this.#parts.exchange)
  }

  /** A second copy may follow when no answer comes. */
  hedge(): void {
    this.#hedge = new HedgedRequest(this.#parts)
    this.#hedge.start()
  }

  /** What can be sent twice is, over another connection; the rest waits for what becomes of this one. */
  onPathUnresponsive(): void {
    const { request } = this.#parts
    const { body, upgrade } = request
    if (upgrade !== undefined || !isRepeatable(request)) return
    if (body !== null && !(body instanceof Uint8Array)) return
    this.#hedge ??= new HedgedRequest(this.#parts)
    this.#hedge.onPathUnresponsive()
  }

  onAnswered(): void {
    this.leave()
    this.#parts.path.onAnswered()
    this.endHedge()
  }

  /** The first copy failed. True: nothing follows from that before the second one has ended. */
  holdsBack(error: TransportError): boolean {
    return this.#hedge?.holdsBack(error) === true
  }

  /** The first copy is over, and the second one decides. */
  get hasOnlySecond(): boolean {
    return this.#hedge?.hasOnlySecond === true
  }

  /** There is no second copy any more, or it comes to nothing. */
  endHedge(): void {
    this.#hedge?.end()
    this.#hedge = undefined
  }
}
