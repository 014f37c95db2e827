import { TransportError } from '../../base/errors.ts'
import type { RequestBody } from '../../base/http/exchange.ts'
import type { HeaderList } from '../../base/http/headers.ts'
import type { Http1RequestHead, MessageEvents } from '../../http/http1/codec/message-events.ts'
import { RequestDecoder } from '../../http/http1/codec/request-decoder.ts'
import { type BodyFlow, IngressBodySource } from '../ingress-body-source.ts'
import { hasUnderscore, underscoreRefused, withoutUnderscored } from '../ingress-limits.ts'
import type { SessionContext } from '../session-context.ts'

/**
 * A body up to this size that came whole with its head is handed over in one piece, which makes the request
 * replayable.
 */
const SMALL_BODY_BYTES = 65_536

/**
 * Reads requests one after the other. The bytes that it is given become part of what it hands out, so that
 * their memory must stay as it is: who reads into a buffer again and again copies first.
 */
export class RequestReader implements MessageEvents<Http1RequestHead> {
  /** The head that was read last, until takeBody. Its exchange is to begin once `receive` has returned. */
  head: Http1RequestHead | undefined
  /** The request that was read last is complete. */
  isComplete = true
  /** Its body, when it does not come in one piece. */
  source: IngressBodySource | undefined
  readonly #decoder: RequestDecoder
  readonly #context: Pick<SessionContext, 'limits' | 'codecLimits' | 'stats'>
  readonly #maxBodyBytes: number
  readonly #flow: BodyFlow
  #length: number | undefined
  #bodyBytes = 0
  #wholeBody: Buffer | undefined

  constructor(context: Pick<SessionContext, 'limits' | 'codecLimits' | 'stats'>, flow: BodyFlow) {
    this.#context = context
    this.#decoder = new RequestDecoder(context.codecLimits, this)
    this.#maxBodyBytes = context.limits.maxBodyBytes
    this.#flow = flow
  }

  /** What is still to come of the body; undefined when only its end will tell. */
  get bytesLeft(): number | undefined {
    return this.#length === undefined ? undefined : this.#length - this.#bodyBytes
  }

  /** All that came of the next request is an empty line, which need not mean that there is one. */
  get hasOnlyEmptyLine(): boolean {
    return this.#decoder.hasOnlyEmptyLine
  }

  /**
   * Takes bytes up to the end of one request; the index of the first byte that it did not take. Throws a
   * TransportError.
   */
  readonly receive = (buffer: Buffer, start: number, end: number): number =>
    this.#decoder.receive(buffer, start, end)

  /** Takes nothing more. May be called while bytes are being received. */
  stop(): void {
    this.#decoder.stop()
  }

  /** The body of `head`. */
  takeBody(): RequestBody {
    const { head } = this
    this.head = undefined
    const whole = this.#wholeBody
    this.#wholeBody = undefined
    if (whole !== undefined) return whole
    if (this.isComplete && this.source === undefined) return null
    this.source ??= new IngressBodySource(this.#flow, head?.bodyLength)
    return this.source
  }

  onHead(head: Http1RequestHead): void {
    this.head = head.hasUnderscore ? { ...head, headers: this.#admitted(head.headers) } : head
    this.isComplete = false
    this.source = undefined
    this.#length = head.isChunked ? undefined : (head.bodyLength ?? 0)
    this.#bodyBytes = 0
    this.#checkLimit(this.#length ?? 0)
  }

  onData(chunk: Buffer): void {
    this.#bodyBytes += chunk.length
    this.#checkLimit(this.#bodyBytes)
    if (this.source === undefined) {
      // Within the read that brought the head, and all of it.
      if (chunk.length === this.#length && chunk.length <= SMALL_BODY_BYTES && this.head !== undefined) {
        this.#wholeBody = chunk
        return
      }
      this.source = new IngressBodySource(this.#flow, this.#length)
    }
    this.source.receiveData(chunk)
  }

  onEnd(trailers: HeaderList): void {
    this.isComplete = true
    // A chunked body is a body even if it is empty, and may have trailers.
    if (this.#length === undefined) this.source ??= new IngressBodySource(this.#flow, undefined)
    this.source?.receiveEnd(hasUnderscore(trailers) ? this.#admitted(trailers) : trailers)
  }

  /** What becomes of fields with underscores in their names. */
  #admitted(fields: HeaderList): HeaderList {
    const { limits, stats } = this.#context
    if (limits.underscoredFields === 'pass') return fields
    if (limits.underscoredFields === 'refuse') throw underscoreRefused()
    const kept = withoutUnderscored(fields)
    stats.droppedFields += (fields.length - kept.length) / 2
    return kept
  }

  #checkLimit(bytes: number): void {
    if (this.#maxBodyBytes === 0 || bytes <= this.#maxBodyBytes) return
    throw new TransportError(
      'MM_REQUEST_BODY_LIMIT',
      `the request body is larger than ${this.#maxBodyBytes} bytes`,
    )
  }
}
