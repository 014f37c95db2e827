import type { HeaderList } from '../../../base/http/headers.ts'
import type { OutgoingRequest } from '../../multiplex/client-session.ts'
import { HeadFields } from '../../multiplex/messages/head-fields.ts'
import { MessageReader } from '../../multiplex/messages/head-rules.ts'
import { QpackDecoder } from '../../qpack/qpack-decoder.ts'
import { QpackEncoder } from '../../qpack/qpack-encoder.ts'
import { Http3StreamFault } from './error-codes.ts'

export interface SectionReaderOptions {
  readonly maxTableBytes: number
  readonly maxBlockedStreams: number
  readonly maxHeaderBytes: number
  readonly maxHeaderCount: number
  readonly allowsExtendedConnect: boolean
}

/**
 * Acknowledgements wait until there are so many bytes of them, a dozen: one for each section would be a
 * packet of its own for each exchange, in either direction. All that they do is to let the peer evict what
 * the sections referred to.
 */
const MAX_LAZY_BYTES = 32

/** Decodes field sections; `messages` reads them as what they stand for. */
export class SectionReader {
  readonly decoder: QpackDecoder
  readonly messages: MessageReader
  /** The peer's encoder can do more when it is notified: insertions came, or a section will never be read. */
  #hasNews = false

  constructor(options: SectionReaderOptions) {
    this.decoder = new QpackDecoder({
      maxTableBytes: options.maxTableBytes,
      maxBlockedStreams: options.maxBlockedStreams,
      maxListBytes: options.maxHeaderBytes,
      maxFields: options.maxHeaderCount,
    })
    this.messages = new MessageReader({
      maxHeaderBytes: options.maxHeaderBytes,
      maxHeaderCount: options.maxHeaderCount,
      allowsExtendedConnect: options.allowsExtendedConnect,
      requiresAuthority: true,
      malformed: message => new Http3StreamFault('H3_MESSAGE_ERROR', message), // RFC 9114 4.1.2
      tooLarge: (message, limit) => new Http3StreamFault('H3_EXCESSIVE_LOAD', message, limit),
    })
  }

  /** See QpackDecoder. */
  receiveEncoderStream(buffer: Buffer, start: number, end: number): readonly number[] {
    this.#hasNews = true
    return this.decoder.receiveEncoderStream(buffer, start, end)
  }

  /** See QpackDecoder. */
  cancel(streamId: number): void {
    this.#hasNews = true
    this.decoder.cancel(streamId)
  }

  /** What our decoder stream has to say now. The caller owns the bytes. */
  takeDecoderStream(): Buffer | undefined {
    if (!this.#hasNews && this.decoder.waitingBytes < MAX_LAZY_BYTES) return undefined
    this.#hasNews = false
    return this.decoder.takeDecoderStream()
  }
}

/**
 * Encodes heads and trailers. What cannot be put on the wire throws TransportError MM_INVALID_ARGUMENT, and
 * then nothing has happened. Each returns the length of the section, which is at the beginning of `bytes`
 * until the next one. What the encoder stream has to say goes out before it.
 */
export class MessageWriter {
  readonly encoder: QpackEncoder
  readonly #fields = new HeadFields()

  constructor(maxTableBytes: number) {
    this.encoder = new QpackEncoder({ maxTableBytes })
  }

  get bytes(): Buffer {
    return this.encoder.bytes
  }

  check(request: OutgoingRequest): void {
    this.#fields.check(request)
  }

  request(streamId: number, request: OutgoingRequest): number {
    this.encoder.begin(streamId)
    this.#fields.addRequest(this.encoder, request)
    return this.encoder.end()
  }

  response(streamId: number, status: number, headers: HeaderList): number {
    this.encoder.begin(streamId)
    this.#fields.addResponse(this.encoder, status, headers)
    return this.encoder.end()
  }

  trailers(streamId: number, trailers: HeaderList): number {
    this.encoder.begin(streamId)
    this.encoder.addAll(trailers)
    return this.encoder.end()
  }
}
