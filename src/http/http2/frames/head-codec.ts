import type { HeaderList } from '../../../base/http/headers.ts'
import { HpackError } from '../../field-compression/field-block.ts'
import { type FieldBlock, HpackDecoder } from '../../hpack/hpack-decoder.ts'
import type { HpackEncoder } from '../../hpack/hpack-encoder.ts'
import type { OutgoingRequest } from '../../multiplex/client-session.ts'
import { HeadFields } from '../../multiplex/messages/head-fields.ts'
import { MessageReader } from '../../multiplex/messages/head-rules.ts'
import { Http2ConnectionFault, Http2StreamFault } from './error-codes.ts'
import { CONTINUATION, END_HEADERS, END_STREAM, HEADERS } from './frame-table.ts'
import type { OutputQueue } from './output-queue.ts'

export interface HeadReaderOptions {
  readonly maxTableBytes: number
  readonly maxHeaderBytes: number
  readonly maxHeaderCount: number
  readonly allowsExtendedConnect: boolean
  /** The peer changes the size of its table. May throw. */
  readonly onSizeUpdate?: () => void
}

/** Decodes field blocks; `messages` reads them as what they stand for. */
export class HeadReader {
  readonly messages: MessageReader
  readonly #decoder: HpackDecoder
  readonly #maxHeaderCount: number

  constructor(options: HeadReaderOptions) {
    const { maxTableBytes, maxHeaderBytes, maxHeaderCount, allowsExtendedConnect, onSizeUpdate } = options
    this.#maxHeaderCount = maxHeaderCount
    this.#decoder = new HpackDecoder({
      maxTableBytes,
      maxListBytes: maxHeaderBytes,
      maxFields: maxHeaderCount,
      onSizeUpdate,
    })
    this.messages = new MessageReader({
      maxHeaderBytes,
      maxHeaderCount,
      allowsExtendedConnect,
      requiresAuthority: false,
      malformed: message => new Http2StreamFault('PROTOCOL_ERROR', message), // RFC 9113 8.1.1
      tooLarge: (message, limit) => new Http2StreamFault('ENHANCE_YOUR_CALM', message, limit),
    })
  }

  /** The peer knows our SETTINGS. */
  onSettingsAcknowledged(): void {
    this.#decoder.onSettingsAcknowledged()
  }

  /**
   * Must be called for every block of the connection, in order, whatever becomes of it: it keeps the table in
   * step.
   */
  decode(buffer: Buffer, start: number, end: number): FieldBlock | 'too-large' {
    let block: FieldBlock | 'too-large' | 'far-too-large'
    try {
      block = this.#decoder.decode(buffer, start, end)
    } catch (error) {
      if (error instanceof HpackError) throw new Http2ConnectionFault('COMPRESSION_ERROR', error.message)
      throw error
    }
    if (block !== 'far-too-large') return block
    throw new Http2ConnectionFault(
      'ENHANCE_YOUR_CALM',
      `a field section far above maxHeaderCount (${this.#maxHeaderCount})`,
      'maxHeaderCount',
    )
  }
}

/**
 * Writes field sections as HEADERS and CONTINUATION. Everything that cannot be put on the wire throws
 * TransportError MM_INVALID_ARGUMENT before a byte of it is in the output.
 */
export class HeadWriter {
  readonly #encoder: HpackEncoder
  readonly #output: OutputQueue
  readonly #fields = new HeadFields()
  /** The peer's SETTINGS_MAX_FRAME_SIZE. */
  #maxFrameBytes = 16_384

  constructor(encoder: HpackEncoder, output: OutputQueue) {
    this.#encoder = encoder
    this.#output = output
  }

  onMaxFrameBytes(bytes: number): void {
    this.#maxFrameBytes = bytes
  }

  putRequest(streamId: number, request: OutgoingRequest, endsStream: boolean): void {
    this.#fields.check(request)
    this.#encoder.begin()
    this.#fields.addRequest(this.#encoder, request)
    this.#put(streamId, endsStream)
  }

  putResponse(streamId: number, status: number, headers: HeaderList, endsStream: boolean): void {
    this.#encoder.begin()
    this.#fields.addResponse(this.#encoder, status, headers)
    this.#put(streamId, endsStream)
  }

  putTrailers(streamId: number, trailers: HeaderList): void {
    this.#encoder.begin()
    this.#encoder.addAll(trailers)
    this.#put(streamId, true)
  }

  #put(streamId: number, endsStream: boolean): void {
    const length = this.#encoder.end()
    const { bytes } = this.#encoder
    const output = this.#output
    const endFlag = endsStream ? END_STREAM : 0
    if (length <= this.#maxFrameBytes) {
      const at = output.startFrame(length, HEADERS, endFlag | END_HEADERS, streamId)
      copyBlock(bytes, output.block, at, length)
      return
    }
    for (let start = 0; start < length; start += this.#maxFrameBytes) {
      const end = Math.min(start + this.#maxFrameBytes, length)
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
