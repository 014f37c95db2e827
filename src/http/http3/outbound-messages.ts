import { asTransportError, TransportError } from '../../base/errors.ts'
import type { HeaderList } from '../../base/http/headers.ts'
import type { OutgoingRequest } from '../multiplex/client-session.ts'
import type { StreamEvents } from '../multiplex/stream.ts'
import { type Http3StreamParts, RequestStream } from './request-stream.ts'
import type { Http3SessionCore } from './session-core.ts'
import type { OwnStreams } from './unidirectional-streams.ts'

/**
 * Writes messages: heads, contents and trailers (RFC 9114 4.1). What QPACK has to say goes out before the
 * section that may need it.
 */
export class OutboundMessages {
  readonly #core: Http3SessionCore
  readonly #own: OwnStreams

  constructor(core: Http3SessionCore, own: OwnStreams) {
    this.#core = core
    this.#own = own
  }

  /**
   * `id`: what QUIC will call the next stream. Throws MM_INVALID_ARGUMENT or MM_REFUSED, and then nothing has
   * happened.
   */
  open(
    id: number,
    request: OutgoingRequest,
    endsStream: boolean,
    parts: Http3StreamParts,
    events: StreamEvents,
  ): RequestStream {
    const { quic, sections, sending, table, now } = this.#core
    sections.check(request)
    const length = sections.request(id, request)
    if (quic.openStream('bidirectional') !== id) {
      sections.encoder.abort()
      throw new TransportError('MM_REFUSED', 'the peer allows no further stream now')
    }
    const stream = new RequestStream(id, parts, events, now)
    if (request.method === 'HEAD') stream.isHead = true
    else if (request.method === 'CONNECT') stream.isTunnel = true
    table.add(stream)
    if (quic.isEstablished) this.#own.sendInsertions()
    stream.isSendOpen = !endsStream
    sending.putSection(stream, sections.bytes, length, endsStream)
    return stream
  }

  /** Throws MM_INVALID_ARGUMENT, and then nothing has happened. */
  respond(stream: RequestStream, status: number, headers: HeaderList, endsStream: boolean): void {
    const { sections, sending } = this.#core
    if (stream.isOver || !stream.isSendOpen) return
    const length = sections.response(stream.id, status, headers)
    this.#own.sendInsertions()
    stream.hasResponded = true
    stream.isSendOpen = !endsStream
    sending.putSection(stream, sections.bytes, length, endsStream)
    this.#core.settle()
  }

  /** False: enough waits; onWritable follows. */
  write(stream: RequestStream, chunk: Uint8Array, keep: (chunk: Buffer) => Buffer): boolean {
    if (stream.isOver || !stream.isSendOpen) return true
    const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length)
    const hasRoom = this.#core.sending.putData(stream, bytes, keep)
    this.#core.reportOutput()
    return hasRoom
  }

  end(stream: RequestStream, trailers: HeaderList): void {
    if (stream.isOver || !stream.isSendOpen) return
    stream.isSendOpen = false
    if (trailers.length === 0) this.#core.sending.putEnd(stream)
    else this.#putTrailers(stream, trailers)
    this.#core.settle()
  }

  #putTrailers(stream: RequestStream, trailers: HeaderList): void {
    const { sections, sending } = this.#core
    try {
      const length = sections.trailers(stream.id, trailers)
      this.#own.sendInsertions()
      sending.putSection(stream, sections.bytes, length, true)
    } catch (error) {
      sections.encoder.abort()
      const { message } = asTransportError(error)
      this.#core.breakStream(stream, { code: 'H3_INTERNAL_ERROR', cause: 'invalid', message }, false)
    }
  }
}
