import type { HeaderList } from '../../../base/http/headers.ts'
import { HpackError } from '../../field-compression/hpack-error.ts'
import { type FieldBlock, HpackDecoder } from '../../hpack/hpack-decoder.ts'
import type { RequestHead, ResponseHead } from '../../multiplex/messages/message-head.ts'
import { MessageFault } from '../../multiplex/messages/message-head.ts'
import { readTrailers } from '../../multiplex/messages/regular-fields.ts'
import { readRequestHead } from '../../multiplex/messages/request-rules.ts'
import { readResponseHead } from '../../multiplex/messages/response-rules.ts'
import { ConnectionFault, StreamFault } from './error-codes.ts'

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
