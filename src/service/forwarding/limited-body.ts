import type { BodySink, BodySource, HeaderList, RequestBody } from '../../entry/dispatch.ts'
import { TransportError } from '../../index.ts'

/** Who gets a copy of a body. */
export interface BodyTap {
  /** The body comes, for the first time or once more. */
  onStart(): void
  /** The chunk is not changed any more. */
  onChunk(chunk: Uint8Array): void
  onEnd(): void
  /** It is not complete, and nothing more comes of it. */
  onBroken(): void
}

/**
 * The body of a request on its way to the origin, which is held to a length, and watched. Nothing is held
 * here: what the sink takes or not is passed on as it is.
 */
class LimitedBody implements BodySource {
  readonly #source: BodySource
  /** 0: none. */
  readonly #maxBytes: number
  readonly #tap: BodyTap | undefined
  #isOver = false

  constructor(source: BodySource, maxBytes: number, tap: BodyTap | undefined) {
    this.#source = source
    this.#maxBytes = maxBytes
    this.#tap = tap
  }

  get length(): number | undefined {
    return this.#source.length
  }

  get writtenBytes(): number {
    return this.#source.writtenBytes ?? 0
  }

  isReplayable(): boolean {
    return !this.#isOver && this.#source.isReplayable()
  }

  attach(sink: BodySink): void {
    let bytes = 0
    this.#tap?.onStart()
    this.#source.attach({
      write: chunk => {
        if (this.#isOver) return true
        bytes += chunk.length
        if (this.#maxBytes > 0 && bytes > this.#maxBytes) {
          this.#breakOff()
          this.#source.cancel()
          sink.fail(bodyTooLarge(this.#maxBytes))
          return true
        }
        this.#tap?.onChunk(chunk)
        return sink.write(chunk)
      },
      end: (trailers: HeaderList) => {
        if (this.#isOver) return
        this.#tap?.onEnd()
        sink.end(trailers)
      },
      fail: error => {
        if (this.#isOver) return
        this.#breakOff()
        sink.fail(error)
      },
    })
  }

  resume(): void {
    if (!this.#isOver) this.#source.resume()
  }

  cancel(): void {
    if (this.#isOver) return
    this.#breakOff()
    this.#source.cancel()
  }

  #breakOff(): void {
    this.#isOver = true
    this.#tap?.onBroken()
  }
}

/** The body as it is, where nobody looks at it. */
export function watchedBody(body: RequestBody, maxBytes: number, tap: BodyTap | undefined): RequestBody {
  const isPlain = body === null || body instanceof Uint8Array || (maxBytes === 0 && tap === undefined)
  return isPlain ? body : new LimitedBody(body, maxBytes, tap)
}

/** The request is larger than its route allows. */
export function bodyTooLarge(maxBytes: number): TransportError {
  const message = `the request body is larger than ${maxBytes} bytes, which its route allows`
  return new TransportError('MM_REQUEST_BODY_LIMIT', message)
}
