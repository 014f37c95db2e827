import type { TransportError } from '../base/errors.ts'
import { isRepeatable } from '../base/http/exchange.ts'
import type { PathUser } from '../origin/paths/http3-paths.ts'
import { type HedgedExchange, HedgedRequest, type HedgedRequestParts } from './hedged-request.ts'

interface WatchedTryParts extends HedgedRequestParts {
  readonly exchange: HedgedExchange & PathUser
}

interface WatchedRoute {
  /** The request may be sent twice. */
  readonly isHarmless: boolean
  /** A second copy may go the way that it goes. */
  readonly mayHedge: boolean
}

/**
 * What a try has beside its connection while its answer is waited for: over HTTP/3 a path, which may become
 * unresponsive meanwhile, and the hedged request of one that may be sent twice.
 */
export class WatchedTry {
  readonly #parts: WatchedTryParts
  #hedge: HedgedRequest | undefined

  constructor(parts: WatchedTryParts) {
    this.#parts = parts
    this.#hedge = undefined
  }

  /**
   * The request leaves. The path reports to the exchange until `leave`; a second copy may follow when the
   * path seems to be to blame that no answer comes, or when none comes for longer than most take.
   */
  start({ isHarmless, mayHedge }: WatchedRoute, isFirstTry: boolean): void {
    const { path, lane, origin, exchange, request } = this.#parts
    path?.join(exchange)
    const hasOtherLane = lane.name === 'h3' && request.onlyLane !== 'h3'
    if (hasOtherLane && isHarmless && origin.lanes.fallback !== undefined) this.#hedgeOf().watchPath()
    if (origin.hedging === undefined || !mayHedge) return
    if (isFirstTry) origin.hedging.onRequest()
    this.#hedgeOf().watchTail()
  }

  leave(): void {
    this.#parts.path?.leave(this.#parts.exchange)
  }

  /** What can be sent twice is, over another connection; the rest waits for what becomes of this one. */
  onPathUnresponsive(): void {
    const { request } = this.#parts
    const { body, upgrade } = request
    if (upgrade !== undefined || !isRepeatable(request)) return
    if (body !== null && !(body instanceof Uint8Array)) return
    this.#hedgeOf().onPathUnresponsive()
  }

  onAnswered(): void {
    this.leave()
    this.#parts.path?.onAnswered()
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

  #hedgeOf(): HedgedRequest {
    this.#hedge ??= new HedgedRequest(this.#parts)
    return this.#hedge
  }
}
