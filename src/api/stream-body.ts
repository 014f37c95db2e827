import type { Readable } from 'node:stream'
import { asTransportError, TransportError } from '../base/errors.ts'
import { guardedListener } from '../base/guard.ts'
import type { BodySink, BodySource } from '../base/http/exchange.ts'
import { NO_HEADERS } from '../base/http/headers.ts'

const DURING = 'an event of a request body'

/** A Node stream as a request body. */
export class StreamBody implements BodySource {
  readonly length: number | undefined
  readonly #makeStream: () => Readable
  readonly #isRepeatable: boolean
  /**
   * Of the current attempt. One that cannot be made again is there from the start, so that its failure is
   * noticed.
   */
  #stream: Readable | undefined
  #sink: BodySink | undefined
  #isDone = false

  /** `isRepeatable`: makeStream yields the whole body each time; else it is called once. */
  constructor(makeStream: () => Readable, isRepeatable: boolean, length: number | undefined) {
    this.#makeStream = makeStream
    this.#isRepeatable = isRepeatable
    this.length = length
    // A stream that fails before it is attached must not take the process down; attach() reports it.
    if (!isRepeatable) this.#stream = this.#makeStream().on('error', this.#onError)
  }

  isReplayable(): boolean {
    return this.#isRepeatable || this.#sink === undefined
  }

  attach(sink: BodySink): void {
    this.#sink = sink
    if (this.#isRepeatable) {
      this.#discard()
      this.#isDone = false
      this.#stream = this.#makeStream().on('error', this.#onError)
    }
    const stream = this.#stream
    if (stream === undefined) return // it was made above
    if (stream.errored !== null) this.#fail(stream.errored)
    else if (stream.destroyed || stream.readableEnded) this.#endAtClose()
    else stream.on('data', this.#onData).on('end', this.#onEnd).on('close', this.#onClose).resume()
  }

  resume(): void {
    this.#stream?.resume()
  }

  cancel(): void {
    this.#isDone = true
    this.#discard()
  }

  /** What takes the body has thrown, which was reported: nobody would go on with it. */
  readonly #onFault = (error: TransportError): void => {
    this.#isDone = true
    this.#discard()
    this.#sink?.fail(error)
  }

  readonly #onData = guardedListener(DURING, (chunk: Uint8Array | string) => this.#send(chunk), this.#onFault)
  readonly #onEnd = guardedListener(DURING, () => this.#end(), this.#onFault)
  readonly #onClose = guardedListener(DURING, () => this.#endAtClose(), this.#onFault)
  readonly #onError = guardedListener(DURING, (error: Error) => this.#fail(error), this.#onFault)

  #send(chunk: Uint8Array | string): void {
    if (this.#isDone) return
    if (typeof chunk !== 'string' && !(chunk instanceof Uint8Array)) {
      this.#fail(
        new TransportError(
          'MM_BODY_FAILED',
          'the request body yielded something that is neither bytes nor a string',
        ),
      )
      return
    }
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk, 'utf8') : chunk
    if (this.#sink?.write(bytes) === false) this.#stream?.pause()
  }

  #end(): void {
    if (this.#isDone) return
    this.#isDone = true
    this.#sink?.end(NO_HEADERS)
  }

  #endAtClose(): void {
    if (!this.#isDone)
      this.#fail(new TransportError('MM_BODY_FAILED', 'the request body stream closed before its end'))
  }

  #fail(error: Error): void {
    if (this.#isDone || this.#sink === undefined) return
    this.#isDone = true
    this.#discard()
    this.#sink.fail(asTransportError(error, 'MM_BODY_FAILED'))
  }

  /** What its stream still has to say must not reach the next attempt. Its errors stay caught. */
  #discard(): void {
    const stream = this.#stream
    stream?.off('data', this.#onData).off('end', this.#onEnd).off('close', this.#onClose)
    if (this.#isRepeatable) stream?.off('error', this.#onError).on('error', ignoreError)
    stream?.destroy()
  }
}

function ignoreError(): void {}
