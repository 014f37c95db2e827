import { ChunkQueue } from '../base/chunk-queue.ts'
import { TransportError } from '../base/errors.ts'
import type { BodySink, BodySource } from '../base/http/exchange.ts'
import type { HeaderList } from '../base/http/headers.ts'

/** Notified when the source wants more or less of the socket than before. */
export interface BodyFlow {
  onBodyFlowChanged(): void
}

/**
 * A request body as it comes from a client. It holds what came before somebody attached, and what the sink
 * could not take: one read of the socket at the most, since the session stops reading while `wantsData` is
 * false.
 *
 * - `waiting`: nobody attached yet. Valid transitions: flowing, cancelled, failed
 * - `flowing`: the sink takes chunks. Valid transitions: blocked, done, cancelled
 * - `blocked`: the sink has enough for now. Valid transitions: flowing, done (by a failure), cancelled
 * - `failed`: the client broke off before anybody attached; whoever attaches is notified of it. Valid
 *   transitions: done
 * - `cancelled`: nobody wants the rest; the session throws it away. Final
 * - `done`: the sink has received the end, or of a failure. Final
 */
export class IngressBodySource implements BodySource {
  readonly length: number | undefined
  readonly #flow: BodyFlow
  #state: 'waiting' | 'flowing' | 'blocked' | 'failed' | 'cancelled' | 'done' = 'waiting'
  /** Most bodies flow straight through. */
  #queue: ChunkQueue | undefined
  writtenBytes = 0
  #trailers: HeaderList | undefined
  #error: TransportError | undefined
  #sink: BodySink | undefined

  constructor(flow: BodyFlow, length: number | undefined) {
    this.#flow = flow
    this.length = length
  }

  // The session's side

  /** Whether the socket should be read for it. What nobody wants is read too, and thrown away. */
  get wantsData(): boolean {
    return this.#state === 'waiting' ? (this.#queue?.bytes ?? 0) === 0 : this.#state !== 'blocked'
  }

  get isCancelled(): boolean {
    return this.#state === 'cancelled'
  }

  /** What comes now goes to the sink, and is not held here. */
  get isFlowing(): boolean {
    return this.#state === 'flowing'
  }

  get isUnattached(): boolean {
    return this.#state === 'waiting'
  }

  /** The chunk's memory must stay as it is. */
  receiveData(chunk: Buffer): void {
    if (this.#state === 'waiting' || this.#state === 'blocked') {
      this.#queue ??= new ChunkQueue()
      this.#queue.push(chunk)
    } else if (this.#state === 'flowing') this.#write(chunk)
  }

  receiveEnd(trailers: HeaderList): void {
    this.#trailers = trailers
    if (this.#state === 'flowing') this.#finish(trailers)
  }

  receiveFailure(error: TransportError): void {
    this.#queue = undefined
    if (this.#state === 'waiting') {
      this.#state = 'failed'
      this.#error = error
    } else if (this.#state === 'flowing' || this.#state === 'blocked') {
      this.#state = 'done'
      this.#sink?.fail(error)
    }
  }

  // The consumer's side

  isReplayable(): boolean {
    return this.#state === 'waiting'
  }

  attach(sink: BodySink): void {
    if (this.#state !== 'waiting') {
      const error =
        this.#error ?? new TransportError('MM_BODY_FAILED', 'the request body was consumed before')
      if (this.#state === 'failed') this.#state = 'done'
      sink.fail(error)
      return
    }
    this.#sink = sink
    this.#state = 'flowing'
    this.#pump()
  }

  resume(): void {
    if (this.#state !== 'blocked') return
    this.#state = 'flowing'
    this.#pump()
  }

  cancel(): void {
    if (this.#state !== 'waiting' && this.#state !== 'flowing' && this.#state !== 'blocked') return
    this.#state = 'cancelled'
    this.#queue = undefined
    this.#flow.onBodyFlowChanged()
  }

  #pump(): void {
    while (this.#state === 'flowing') {
      const chunk = this.#queue?.shift()
      if (chunk === undefined) break
      this.#write(chunk)
    }
    if (this.#state === 'flowing' && this.#trailers !== undefined) this.#finish(this.#trailers)
    this.#flow.onBodyFlowChanged()
  }

  #write(chunk: Buffer): void {
    this.writtenBytes += chunk.length
    const takesMore = this.#sink?.write(chunk) ?? false
    // The sink may have cancelled within the call.
    if (!takesMore && this.#state === 'flowing') this.#state = 'blocked'
  }

  #finish(trailers: HeaderList): void {
    this.#state = 'done'
    this.#sink?.end(trailers)
  }
}
