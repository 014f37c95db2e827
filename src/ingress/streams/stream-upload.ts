import { NEVER } from '../../base/clock.ts'
import type { TransportError } from '../../base/errors.ts'
import type { RequestBody } from '../../base/http/exchange.ts'
import { type HeaderList, NO_HEADERS } from '../../base/http/headers.ts'
import type { Stream } from '../../http/multiplex/stream.ts'
import { type BodyFlow, IngressBodySource } from '../ingress-body-source.ts'
import type { IngressLimits } from '../ingress-limits.ts'

/**
 * A body up to this size that came whole with its head is handed over in one piece, which makes the request
 * replayable.
 */
const SMALL_BODY_BYTES = 65_536

/** What an upload asks of its exchange. */
export interface StreamUploadOwner {
  readonly limits: IngressLimits
  /** See StreamExchangeHost. */
  readonly ownsReads: boolean
  /** Monotonic milliseconds. */
  now(): number
  keep(chunk: Buffer): Buffer
  /** `deadlineMs` became a time: see that it is looked at. */
  onDeadline(deadlineMs: number): void
  /** The client is waited for, or no longer. Said again and again. */
  onAwaited(isAwaited: boolean): void
  /** What comes waits for a reader from now on, or no longer. */
  onSleeping(isSleeping: boolean): void
  /** Nobody will read the rest. */
  onUploadUnwanted(): void
}

/**
 * The request body of one stream. Until `begin`, it gathers what came in the same read as the head; from then
 * on a IngressBodySource hands on what comes, and the stream stands still while nobody takes it: the client's
 * window closes, and other streams go on.
 */
export class StreamUpload implements BodyFlow {
  readonly #stream: Stream
  readonly #owner: StreamUploadOwner
  readonly #length: number | undefined
  #early: Buffer[] = []
  #source: IngressBodySource | undefined
  #trailers: HeaderList = NO_HEADERS
  #isPaused = false
  #discardedBytes = 0
  /** All of it came, or no more of it will. */
  hasEnded = false
  receivedBytes = 0
  /** It is the client that is waited for. */
  isAwaited = false
  /** When more of it must have come; NEVER while the client owes nothing. */
  deadlineMs = NEVER

  constructor(stream: Stream, length: number | undefined, owner: StreamUploadOwner) {
    this.#stream = stream
    this.#length = length
    this.#owner = owner
  }

  /** Nobody reads the rest of it. */
  get isUnwanted(): boolean {
    return this.#source === undefined || this.#source.isCancelled
  }

  /** The request is being handed on: its body as far as it came, or as it comes. */
  begin(): RequestBody {
    const early = this.#early
    this.#early = []
    if (this.hasEnded && this.receivedBytes <= SMALL_BODY_BYTES && this.#trailers.length === 0) {
      if (early.length === 0) return null
      return early.length === 1 ? (early[0] as Buffer) : Buffer.concat(early) // its length is 1
    }
    const source = new IngressBodySource(this, this.#length)
    this.#source = source
    for (const chunk of early) source.receiveData(chunk)
    if (this.hasEnded) source.receiveEnd(this.#trailers)
    else this.#updateFlow()
    return source
  }

  /** `now` is when the read came that the chunk is a part of. */
  receiveData(chunk: Buffer, now: number): void {
    const isOwned = this.#stream.isDeliveringOwned
    this.receivedBytes += chunk.length
    const source = this.#source
    if (source === undefined) {
      this.#early.push(isOwned ? chunk : this.#owner.keep(chunk))
      return
    }
    if (this.deadlineMs !== NEVER) this.deadlineMs = now + this.#owner.limits.requestTimeoutMs
    if (source.isCancelled) this.#discardedBytes += chunk.length
    else {
      // What a sink is given stays as it is (BodySink), but not for long.
      const goesAsItIs = isOwned || (source.isFlowing && this.#owner.ownsReads)
      source.receiveData(goesAsItIs ? chunk : this.#owner.keep(chunk))
    }
    this.#updateFlow()
  }

  receiveEnd(trailers: HeaderList): void {
    this.hasEnded = true
    this.#setAwaited(false)
    this.deadlineMs = NEVER
    this.#trailers = trailers
    this.#source?.receiveEnd(trailers)
  }

  receiveFailure(error: TransportError): void {
    this.hasEnded = true
    this.#setAwaited(false)
    this.deadlineMs = NEVER
    this.#early = []
    this.#source?.receiveFailure(error)
  }

  /** The response is over: a body that nobody has begun to read now is read by nobody. */
  cancelIfUnread(): void {
    if (this.#source?.isUnattached === true) this.#source.cancel()
  }

  /** It was us who kept it. */
  renewDeadline(now: number): void {
    this.deadlineMs = now + this.#owner.limits.requestTimeoutMs
  }

  onBodyFlowChanged(): void {
    if (this.hasEnded) return
    this.#updateFlow()
    if (this.isUnwanted) this.#owner.onUploadUnwanted()
  }

  #setAwaited(isAwaited: boolean): void {
    this.isAwaited = isAwaited
    this.#owner.onAwaited(isAwaited)
  }

  /**
   * The stream flows exactly while somebody wants what it brings. A little of what nobody wants is read too,
   * and thrown away.
   */
  #updateFlow(): void {
    const source = this.#source
    if (this.hasEnded || source === undefined) return
    const { requestTimeoutMs, maxDiscardBytes } = this.#owner.limits
    const wanted = source.isCancelled ? this.#discardedBytes <= maxDiscardBytes : source.wantsData
    this.#setAwaited(wanted && !source.isCancelled)
    if (!wanted || source.isCancelled) {
      // A client that we keep from sending owes us nothing, nor does one whose body is of no use.
      this.deadlineMs = NEVER
    } else if (this.deadlineMs === NEVER && requestTimeoutMs > 0) {
      this.deadlineMs = this.#owner.now() + requestTimeoutMs
      this.#owner.onDeadline(this.deadlineMs)
    }
    if (wanted !== this.#isPaused) return
    this.#isPaused = !wanted
    this.#owner.onSleeping(!wanted)
    if (wanted) this.#stream.resume()
    else this.#stream.pause()
  }
}
