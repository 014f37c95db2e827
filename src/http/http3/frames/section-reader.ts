import type { HeaderList } from '../../../base/http/headers.ts'
import type { FieldBlock } from '../../field-compression/field-block.ts'
import { readRequestHead, readResponseHead } from '../../multiplex/messages/head-rules.ts'
import { MessageFault, type RequestHead, type ResponseHead } from '../../multiplex/messages/message-head.ts'
import { readTrailers } from '../../multiplex/messages/regular-fields.ts'
import { QpackDecoder } from '../../qpack/qpack-decoder.ts'
import { StreamFault } from './error-codes.ts'

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

/**
 * Decodes field sections and reads them as what they stand for. What a section means is kept with it: equal
 * ones are judged once.
 */
export class SectionReader {
  readonly decoder: QpackDecoder
  readonly #options: SectionReaderOptions
  /** The peer's encoder can do more when it has heard: insertions came, or a section will never be read. */
  #hasNews = false

  constructor(options: SectionReaderOptions) {
    this.#options = options
    this.decoder = new QpackDecoder({
      maxTableBytes: options.maxTableBytes,
      maxBlockedStreams: options.maxBlockedStreams,
      maxListBytes: options.maxHeaderBytes,
      maxFields: options.maxHeaderCount,
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

  response(block: FieldBlock): ResponseHead {
    block.meaning ??= judge(() => readResponseHead(block.fields))
    return block.meaning as ResponseHead // a client gets no other heads
  }

  request(block: FieldBlock): RequestHead {
    block.meaning ??= judge(() => {
      const head = readRequestHead(block.fields, this.#options.allowsExtendedConnect)
      // RFC 9114 4.3.1, where HTTP/2 only recommends it. Schemes without an authority are none of ours.
      if (head.authority === '') throw new MessageFault('neither :authority nor host')
      return head
    })
    return block.meaning as RequestHead // a server gets no other heads
  }

  /** Trailers are rare, and equal bytes may be a head elsewhere: they are read each time. */
  trailers(block: FieldBlock): HeaderList {
    return judge(() => readTrailers(block.fields))
  }

  tooLarge(): StreamFault {
    const { maxHeaderBytes, maxHeaderCount } = this.#options
    return new StreamFault(
      'H3_EXCESSIVE_LOAD',
      `a field section above maxHeaderBytes (${maxHeaderBytes}) or maxHeaderCount (${maxHeaderCount})`,
      'maxHeaderBytes',
    )
  }
}

/** A malformed message is the end of its stream (RFC 9114 4.1.2). */
function judge<Message>(read: () => Message): Message {
  try {
    return read()
  } catch (error) {
    if (error instanceof MessageFault) throw new StreamFault('H3_MESSAGE_ERROR', error.message)
    throw error
  }
}
