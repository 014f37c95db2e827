import { randomInt } from 'node:crypto'
import { Readable } from 'node:stream'
import { TransportError } from '../base/errors.ts'
import type { RequestBody } from '../base/http/exchange.ts'
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

/**
 * A body as the exchange takes it, and the content-type that its form implies (FormData, URLSearchParams,
 * typed Blobs).
 */
interface PreparedBody {
  readonly body: RequestBody
  readonly contentType: string | undefined
}

/** What a form may hold: a text, or a file, which need not be a Blob of this realm. */
type FormEntry = readonly [name: string, value: string | Blob]

/**
 * A form as multipart/form-data (RFC 7578, and HTML 4.10.21.8 for what is escaped). Its length is the sum of
 * its parts, so that the request has a content-length, and it can be sent again: nothing of a file is read
 * before. Only where a file does not tell its size is the length unknown.
 */
function formBody(form: Iterable<FormEntry>): PreparedBody {
  const boundary = `----middlemile-${randomInt(2 ** 47).toString(36)}${randomInt(2 ** 47).toString(36)}`
  const parts: (string | Blob)[] = []
  for (const [name, value] of form) {
    const disposition = `--${boundary}\r\nContent-Disposition: form-data; name="${escaped(lineFeeds(name))}"`
    if (typeof value === 'string') {
      parts.push(`${disposition}\r\n\r\n${lineFeeds(value)}\r\n`)
      continue
    }
    const file = 'name' in value ? `; filename="${escaped(String(value.name))}"` : ''
    const type = value.type === '' ? 'application/octet-stream' : value.type
    parts.push(`${disposition}${file}\r\nContent-Type: ${type}\r\n\r\n`, value, '\r\n')
  }
  parts.push(`--${boundary}--\r\n`)
  const contentType = `multipart/form-data; boundary=${boundary}`
  if (parts.every(isKnown)) {
    const whole = new Blob(parts)
    return { body: new StreamBody(() => Readable.from(whole.stream()), true, whole.size), contentType }
  }
  return { body: new StreamBody(() => Readable.from(bytesOf(parts)), false, undefined), contentType }
}

/** A file of another library need not be a Blob to Node, nor tell its size. */
function isKnown(part: string | Blob): boolean {
  return typeof part === 'string' || part instanceof Blob
}

async function* bytesOf(parts: readonly (string | Blob)[]): AsyncGenerator<Uint8Array | string> {
  for (const part of parts) {
    if (typeof part === 'string') yield part
    else yield* part.stream()
  }
}

function lineFeeds(text: string): string {
  return text.replace(/\r?\n|\r/g, '\r\n')
}

function escaped(name: string): string {
  return name.replace(/\n/g, '%0A').replace(/\r/g, '%0D').replace(/"/g, '%22')
}
