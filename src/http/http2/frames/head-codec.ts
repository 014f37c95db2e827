import type { HeaderList } from '../../../base/http/headers.ts'
import { HpackError } from '../../field-compression/field-block.ts'
import { type FieldBlock, HpackDecoder } from '../../hpack/hpack-decoder.ts'
import type { HpackEncoder } from '../../hpack/hpack-encoder.ts'
import type { OutgoingRequest } from '../../multiplex/client-session.ts'
import { HeadFields } from '../../multiplex/messages/head-fields.ts'
import { readRequestHead, readResponseHead } from '../../multiplex/messages/head-rules.ts'
import { MessageFault, type RequestHead, type ResponseHead } from '../../multiplex/messages/message-head.ts'
import { readTrailers } from '../../multiplex/messages/regular-fields.ts'
import { ConnectionFault, StreamFault } from './error-codes.ts'
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

/**
 * Decodes field blocks and reads them as what they stand for. What a block means is kept with it: equal ones
 * are judged once.
 */
export class HeadReader {
  readonly #decoder: HpackDecoder
  readonly #options: HeadReaderOptions

  constructor(options: HeadReaderOptions) {
    this.#options = options
    this.#decoder = new HpackDecoder({
      maxTableBytes: options.maxTableBytes,
      maxListBytes: options.maxHeaderBytes,
      maxFields: options.maxHeaderCount,
      onSizeUpdate: options.onSizeUpdate,
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
      if (error instanceof HpackError) throw new ConnectionFault('COMPRESSION_ERROR', error.message)
      throw error
    }
    if (block !== 'far-too-large') return block
    throw new ConnectionFault(
      'ENHANCE_YOUR_CALM',
      `a field section far above maxHeaderCount (${this.#options.maxHeaderCount})`,
      'maxHeaderCount',
    )
  }

  response(block: FieldBlock | 'too-large'): ResponseHead {
    const readable = this.#readable(block)
    readable.meaning ??= judge(() => readResponseHead(readable.fields))
    return unlessMalformed(readable.meaning) as ResponseHead // a client gets no other heads
  }

  request(block: FieldBlock): RequestHead {
    block.meaning ??= judge(() => readRequestHead(block.fields, this.#options.allowsExtendedConnect))
    return unlessMalformed(block.meaning) as RequestHead // a server gets no other heads
  }

  /** Trailers are rare, and equal bytes may be a head elsewhere: they are read each time. */
  trailers(block: FieldBlock | 'too-large'): HeaderList {
    const { fields } = this.#readable(block)
    return unlessMalformed(judge(() => readTrailers(fields))) as HeaderList // what readTrailers() answers
  }

  #readable(block: FieldBlock | 'too-large'): FieldBlock {
    if (block !== 'too-large') return block
    const { maxHeaderBytes, maxHeaderCount } = this.#options
    throw new StreamFault(
      'ENHANCE_YOUR_CALM',
      `a field section above maxHeaderBytes (${maxHeaderBytes}) or maxHeaderCount (${maxHeaderCount})`,
      'maxHeaderBytes',
    )
  }
}

/** What a block means; that it is malformed is remembered like everything else that it may mean. */
function judge<Message>(read: () => Message): Message | StreamFault {
  try {
    return read()
  } catch (error) {
    if (error instanceof MessageFault) return new StreamFault('PROTOCOL_ERROR', error.message)
    throw error
  }
}

/** A malformed message is the end of its stream (RFC 9113 8.1.1). */
function unlessMalformed(meaning: unknown): unknown {
  if (meaning instanceof StreamFault) throw meaning
  return meaning
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
  maxFrameBytes = 16_384

  constructor(encoder: HpackEncoder, output: OutputQueue) {
    this.#encoder = encoder
    this.#output = output
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
