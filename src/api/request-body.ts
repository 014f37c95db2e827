import { Readable } from 'node:stream'
import { TransportError } from '../base/errors.ts'
import type { RequestBody } from '../base/http/exchange.ts'
import { type FormEntry, formBody, type PreparedBody } from './form-body.ts'
import { StreamBody } from './stream-body.ts'

/**
 * Everything that may be given as a request body.
 *
 * @example
 * ```ts
 * const body: BodyInput = createReadStream('upload.bin')
 * await transport.request('https://origin.example/upload', { method: 'PUT', body })
 * ```
 */
export type BodyInput =
  | null
  | undefined
  | string
  | ArrayBufferView
  | ArrayBuffer
  | Readable
  | AsyncIterable<Uint8Array | string>
  | Iterable<Uint8Array | string>
  | ReadableStream
  | Blob
  | FormData
  | URLSearchParams

/**
 * Reads what a caller gave. `declaredLength` is the caller's own content-length; it gives a stream its
 * length. Nothing in memory is no body: a GET with '' is a plain GET. Throws MM_INVALID_ARGUMENT on anything
 * else.
 */
export function prepareBody(input: BodyInput, declaredLength: number | undefined): PreparedBody {
  if (input === null || input === undefined) return untyped(null)
  if (typeof input === 'string') return bytesBody(Buffer.from(input, 'utf8'))
  if (input instanceof Uint8Array) return bytesBody(input)
  if (input instanceof ArrayBuffer) return bytesBody(new Uint8Array(input))
  if (ArrayBuffer.isView(input)) {
    return bytesBody(new Uint8Array(input.buffer, input.byteOffset, input.byteLength))
  }
  if (input instanceof URLSearchParams) {
    const contentType = 'application/x-www-form-urlencoded;charset=UTF-8' // Fetch 5.2, "extract a body"
    return { ...bytesBody(Buffer.from(input.toString(), 'utf8')), contentType }
  }
  if (input instanceof Readable) return untyped(new StreamBody(() => input, false, declaredLength))
  if (input instanceof Blob) return blobBody(input)
  if (input instanceof FormData) return formBody(input)
  if (isForeignFormData(input)) return formBody(input)
  if (isIterable(input)) return untyped(new StreamBody(() => Readable.from(input), false, declaredLength))
  throw new TransportError(
    'MM_INVALID_ARGUMENT',
    'the body must be a string, bytes, a stream, an iterable, a Blob, FormData or URLSearchParams',
  )
}

function untyped(body: RequestBody): PreparedBody {
  return { body, contentType: undefined }
}

function bytesBody(bytes: Uint8Array): PreparedBody {
  return untyped(bytes.length === 0 ? null : bytes)
}

/** A Blob can be read as often as need be. */
function blobBody(blob: Blob): PreparedBody {
  const body = new StreamBody(() => Readable.from(blob.stream()), true, blob.size)
  return { body, contentType: blob.type === '' ? undefined : blob.type }
}

/** The FormData class of the undici package is not the global one. */
function isForeignFormData(input: object): input is Iterable<FormEntry> {
  return Object.prototype.toString.call(input) === '[object FormData]' && isIterable(input)
}

function isIterable(
  input: object,
): input is AsyncIterable<Uint8Array | string> | Iterable<Uint8Array | string> {
  // Callers without types may have given anything.
  return typeof input === 'object' && (Symbol.asyncIterator in input || Symbol.iterator in input)
}
