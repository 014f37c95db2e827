import type { HpackEncoder } from '../header-compression/hpack-encoder.ts'
import type { HeaderList } from '../headers.ts'
import type { OutgoingRequest } from '../multiplex/client-session.ts'
import { checkOutgoingRequest } from '../multiplex/outgoing-rules.ts'
import { CONTINUATION, END_HEADERS, END_STREAM, HEADERS } from './frame-table.ts'
import type { OutputQueue } from './output-queue.ts'

/**
 * Writes field sections as HEADERS and CONTINUATION. Everything that cannot be put on the wire throws TransportError MM_INVALID_ARGUMENT
 * before a byte of it is in the output.
 */
export class HeadWriter {
  readonly #encoder: HpackEncoder
  readonly #output: OutputQueue
  /** What the last request was checked for: many that follow are the same in it. Not the request, whose fields may be secret. */
  #method = ''
  #scheme = ''
  #authority = ''
  #path = ''
  /** The peer's SETTINGS_MAX_FRAME_SIZE. */
  maxFrameBytes = 16_384

  constructor(encoder: HpackEncoder, output: OutputQueue) {
    this.#encoder = encoder
    this.#output = output
  }

  putRequest(streamId: number, request: OutgoingRequest, endsStream: boolean): void {
    const encoder = this.#encoder
    const { method, protocol } = request
    this.#check(request)
    encoder.begin()
    encoder.add(':method', method)
    // CONNECT has neither, extended CONNECT has both (RFC 9113 8.5, RFC 8441 4).
    if (method !== 'CONNECT' || protocol !== undefined) {
      encoder.add(':scheme', request.scheme)
      encoder.add(':path', request.path)
    }
    if (request.authority !== '') encoder.add(':authority', request.authority)
    if (protocol !== undefined) encoder.add(':protocol', protocol)
    encoder.addAll(request.headers)
    if (request.acceptsTrailers === true) encoder.add('te', 'trailers')
    this.#put(streamId, endsStream)
  }

  putResponse(streamId: number, status: number, headers: HeaderList, endsStream: boolean): void {
    const encoder = this.#encoder
    encoder.begin()
    encoder.add(':status', String(status))
    encoder.addAll(headers)
    this.#put(streamId, endsStream)
  }

  putTrailers(streamId: number, trailers: HeaderList): void {
    this.#encoder.begin()
    this.#encoder.addAll(trailers)
    this.#put(streamId, true)
  }

  #check(request: OutgoingRequest): void {
    const { method, scheme, authority, path } = request
    const isSame =
      path === this.#path &&
      authority === this.#authority &&
      method === this.#method &&
      scheme === this.#scheme &&
      request.protocol === undefined
    if (isSame) return
    checkOutgoingRequest(request)
    this.#method = method
    this.#scheme = scheme
    this.#authority = authority
    this.#path = path
  }

  #put(streamId: number, endsStream: boolean): void {
    const length = this.#encoder.end()
    const { bytes } = this.#encoder
    const output = this.#output
    const endFlag = endsStream ? END_STREAM : 0
    if (length <= this.maxFrameBytes) {
      const at = output.startFrame(length, HEADERS, endFlag | END_HEADERS, streamId)
      copyBlock(bytes, output.block, at, length)
      return
    }
    for (let start = 0; start < length; start += this.maxFrameBytes) {
      const end = Math.min(start + this.maxFrameBytes, length)
      const type = start === 0 ? HEADERS : CONTINUATION
      const flags = (start === 0 ? endFlag : 0) | (end === length ? END_HEADERS : 0)
      output.putFrame(type, flags, streamId, bytes.subarray(start, end))
    }
  }
}

/** Crossing into native code costs as much as copying this many bytes one by one. */
const SHORT_BYTES = 64

function copyBlock(source: Buffer, target: Buffer, at: number, length: number): void {
  if (length > SHORT_BYTES) source.copy(target, at, 0, length)
  else for (let i = 0; i < length; i++) target[at + i] = source[i] as number // i < length
}
