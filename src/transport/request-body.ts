import { Readable } from 'node:stream'
import { asTransportError, TransportError } from '../errors.ts'
import type { BodySink, BodySource, RequestBody } from '../exchange.ts'
import { NO_HEADERS } from '../headers.ts'

/** Everything that may be given as a request body. */
export type BodyInput =
  | null
  | undefined
  | string
  | Uint8Array
  | ArrayBuffer
  | Readable
  | AsyncIterable<Uint8Array | string>
  | Iterable<Uint8Array | string>
  | ReadableStream
  | Blob
  | FormData
  | URLSearchParams

/** A body as the exchange takes it, and the content-type that its form implies (FormData, URLSearchParams, typed Blobs). */
export interface PreparedBody {
  readonly body: RequestBody
  readonly contentType: string | undefined
}

/**
 * Reads what a caller gave. `declaredLength` is the caller's own content-length; it gives a stream its length.
 * Throws MM_INVALID_ARGUMENT on anything else.
 */
export function prepareBody(input: BodyInput, declaredLength: number | undefined): PreparedBody {
  if (input === null || input === undefined) return { body: null, contentType: undefined }
  if (typeof input === 'string') return { body: Buffer.from(input, 'utf8'), contentType: undefined }
  if (input instanceof Uint8Array) return { body: input, contentType: undefined }
  if (input instanceof ArrayBuffer) return { body: new Uint8Array(input), contentType: undefined }
  if (ArrayBuffer.isView(input)) {
    const view: ArrayBufferView = input
    return { body: new Uint8Array(view.buffer, view.byteOffset, view.byteLength), contentType: undefined }
  }
  if (input instanceof Readable)
    return { body: new StreamBody(input, declaredLength), contentType: undefined }
  if (input instanceof Blob || input instanceof FormData || input instanceof URLSearchParams)
    return prepareWebBody(input)
  if (isForeignFormData(input)) return prepareWebBody(toFormData(input))
  if (isIterable(input))
    return { body: new StreamBody(Readable.from(input), declaredLength), contentType: undefined }
  throw new TransportError(
    'MM_INVALID_ARGUMENT',
    'the body must be a string, bytes, a stream, an iterable, a Blob, FormData or URLSearchParams',
  )
}

/** A Response knows how to serialise each of these (Fetch 5.2, "extract a body"), boundary and content-type included. */
function prepareWebBody(input: Blob | FormData | URLSearchParams): PreparedBody {
  const response = new Response(input)
  const contentType = response.headers.get('content-type') ?? undefined
  const length = input instanceof Blob ? input.size : undefined
  return { body: new StreamBody(Readable.from(response.body ?? []), length), contentType }
}

/** The FormData class of the undici package is not the global one. */
function isForeignFormData(input: object): input is Iterable<[string, string | Blob]> {
  return Object.prototype.toString.call(input) === '[object FormData]' && Symbol.iterator in input
}

function toFormData(entries: Iterable<[string, string | Blob]>): FormData {
  const form = new FormData()
  for (const [name, value] of entries) {
    if (typeof value === 'string') form.append(name, value)
    else form.append(name, value)
  }
  return form
}

function isIterable(
  input: object,
): input is AsyncIterable<Uint8Array | string> | Iterable<Uint8Array | string> {
  return Symbol.asyncIterator in input || Symbol.iterator in input
}

/** A Node stream as a request body. It can be read once. */
class StreamBody implements BodySource {
  readonly length: number | undefined
  readonly #stream: Readable
  #sink: BodySink | undefined
  #isDone = false

  constructor(stream: Readable, length: number | undefined) {
    this.#stream = stream
    this.length = length
    // A stream that fails before it is attached must not take the process down; attach() reports it.
    stream.on('error', this.#onError)
  }

  isReplayable(): boolean {
    return this.#sink === undefined
  }

  attach(sink: BodySink): void {
    this.#sink = sink
    if (this.#stream.errored !== null) {
      this.#onError(this.#stream.errored)
      return
    }
    this.#stream.on('data', this.#onData)
    this.#stream.on('end', this.#onEnd)
    this.#stream.on('close', this.#onClose)
  }

  resume(): void {
    this.#stream.resume()
  }

  cancel(): void {
    this.#isDone = true
    this.#stream.destroy()
  }

  readonly #onData = (chunk: Uint8Array | string): void => {
    if (this.#isDone) return
    if (typeof chunk !== 'string' && !(chunk instanceof Uint8Array)) {
      this.#onError(
        new TransportError(
          'MM_BODY_FAILED',
          'the request body yielded something that is neither bytes nor a string',
        ),
      )
      return
    }
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk, 'utf8') : chunk
    if (this.#sink?.write(bytes) === false) this.#stream.pause()
  }

  readonly #onEnd = (): void => {
    if (this.#isDone) return
    this.#isDone = true
    this.#sink?.end(NO_HEADERS)
  }

  readonly #onClose = (): void => {
    if (!this.#isDone)
      this.#onError(new TransportError('MM_BODY_FAILED', 'the request body stream closed before its end'))
  }

  readonly #onError = (error: Error): void => {
    if (this.#isDone || this.#sink === undefined) return
    this.#isDone = true
    this.#stream.destroy()
    this.#sink.fail(asTransportError(error, 'MM_BODY_FAILED'))
  }
}
