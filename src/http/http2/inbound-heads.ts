import { headerValue, NO_HEADERS } from '../../base/http/headers.ts'
import type { FieldBlock } from '../hpack/hpack-decoder.ts'
import { parsePriority } from '../multiplex/messages/priority.ts'
import type { StreamEvents } from '../multiplex/stream.ts'
import { UNKNOWN_LENGTH } from '../multiplex/stream.ts'
import { ActiveStream, type Http2StreamParts } from './active-stream.ts'
import { Http2ConnectionFault, Http2StreamFault } from './frames/error-codes.ts'
import { END_STREAM } from './frames/frame-table.ts'
import type { HeadReader } from './frames/head-codec.ts'
import type { InboundData } from './inbound-data.ts'
import type { Http2SessionCore } from './session-core.ts'

/**
 * Field blocks on their way to what they begin, go on with or end: responses and requests, and their
 * trailers.
 */
export class InboundHeads {
  readonly #core: Http2SessionCore
  readonly #parts: Http2StreamParts
  readonly #reader: HeadReader
  readonly #data: InboundData
  /** PRIORITY_UPDATE came before its request (RFC 9218 7.1). */
  readonly #earlyPriorities = new Map<number, string>()

  constructor(core: Http2SessionCore, parts: Http2StreamParts, reader: HeadReader, data: InboundData) {
    this.#core = core
    this.#parts = parts
    this.#reader = reader
    this.#data = data
  }

  onSettingsAcknowledged(): void {
    this.#reader.onSettingsAcknowledged()
  }

  receive(streamId: number, flags: number, buffer: Buffer, start: number, end: number): void {
    const core = this.#core
    const block = this.#reader.decode(buffer, start, end)
    const endsStream = (flags & END_STREAM) !== 0
    const stream = core.table.get(streamId)
    if (stream === undefined && core.role === 'server' && this.#isNewRequest(streamId)) {
      this.#receiveRequest(streamId, endsStream, block)
      return
    }
    const verdict = core.table.judge('HEADERS', streamId, stream)
    if (verdict === 'ignore') {
      // It was decoded for the sake of the table. Some cross our reset; more are a flood.
      core.guard.count('maxIgnoredFramesPerSecond', core.now)
      return
    }
    const message = `HEADERS on stream ${streamId}, which the peer had ended or must not open`
    if (verdict !== 'take' && verdict.scope === 'connection')
      throw new Http2ConnectionFault(verdict.code, message)
    try {
      if (verdict !== 'take') throw new Http2StreamFault(verdict.code, message)
      if (stream === undefined) return
      if (core.role === 'client' && !stream.hasHead) this.#receiveResponse(stream, endsStream, block)
      else this.#receiveTrailers(stream, endsStream, block)
    } catch (error) {
      this.#break(streamId, error)
    }
  }

  /** PRIORITY_UPDATE (RFC 9218 7.1), server role. */
  reprioritize(streamId: number, value: string): void {
    const stream = this.#core.table.get(streamId)
    if (stream !== undefined) this.#core.sending.reprioritize(stream, parsePriority(value))
    else if (
      this.#core.table.stateOfAbsent(streamId) === 'idle' &&
      this.#earlyPriorities.size < this.#core.options.maxConcurrentStreams
    ) {
      this.#earlyPriorities.set(streamId, value)
    }
  }

  #receiveResponse(stream: ActiveStream, endsStream: boolean, block: FieldBlock | 'too-large'): void {
    const head = this.#reader.messages.response(block)
    if (head.status < 200) {
      if (endsStream) throw new Http2StreamFault('PROTOCOL_ERROR', 'a 1xx response ended the stream')
      stream.events.onResponse(head)
      return
    }
    stream.hasHead = true
    const { status } = head
    if (stream.isHead || status === 204 || status === 304) stream.contentLeft = 0
    else if (!stream.isTunnel || status >= 300) stream.contentLeft = head.contentLength ?? UNKNOWN_LENGTH
    // Reported in one go: a reader that resets the stream at its head is notified of no end.
    if (endsStream && stream.contentLeft > 0)
      throw new Http2StreamFault('PROTOCOL_ERROR', 'less DATA than content-length says')
    stream.events.onResponse(head)
    if (endsStream && !stream.isOver) this.#data.receiveEnd(stream, NO_HEADERS)
  }

  #receiveTrailers(stream: ActiveStream, endsStream: boolean, block: FieldBlock | 'too-large'): void {
    // RFC 9113 8.1
    if (!endsStream) throw new Http2StreamFault('PROTOCOL_ERROR', 'trailers that do not end the stream')
    const trailers = this.#reader.messages.trailers(block)
    this.#data.receiveEnd(stream, trailers)
  }

  /** A number of the peer's that is still unused: HEADERS on it opens a stream. */
  #isNewRequest(streamId: number): boolean {
    return (streamId & 1) === 1 && this.#core.table.stateOfAbsent(streamId) === 'idle'
  }

  #receiveRequest(streamId: number, endsStream: boolean, block: FieldBlock | 'too-large'): void {
    const core = this.#core
    core.table.usePeerId(streamId)
    const earlyPriority = this.#takeEarlyPriority(streamId)
    try {
      if (core.table.size >= core.options.maxConcurrentStreams) {
        const message = `more than maxConcurrentStreams (${core.options.maxConcurrentStreams}) requests at once`
        throw new Http2StreamFault('REFUSED_STREAM', message, 'maxConcurrentStreams')
      }
      if (block === 'too-large') {
        this.#refuseLargeHead(streamId, endsStream)
        return
      }
      const head = this.#reader.messages.request(block)
      const contentLength = head.contentLength ?? UNKNOWN_LENGTH
      if (endsStream && contentLength > 0)
        throw new Http2StreamFault('PROTOCOL_ERROR', 'less DATA than content-length says')
      const stream = new ActiveStream(
        streamId,
        this.#parts,
        NO_EVENTS,
        core.sending.initialWindow,
        core.receiving.initialWindowBytes,
      )
      stream.hasHead = true
      stream.isTunnel = head.method === 'CONNECT'
      stream.contentLeft = contentLength
      stream.priority = parsePriority(earlyPriority ?? headerValue(head.headers, 'priority'))
      if (endsStream) {
        stream.state = 'halfClosedRemote'
        stream.hasReceivedEnd = true
      }
      core.table.add(stream)
      const events = core.events.onRequest(stream, head, endsStream)
      stream.events = events
    } catch (error) {
      this.#break(streamId, error)
    }
  }

  /** 431 (RFC 6585 5) rather than a bare reset: the client learns what was wrong. */
  #refuseLargeHead(streamId: number, endsStream: boolean): void {
    const core = this.#core
    core.guard.count('maxResetsPerSecond', core.now)
    core.events.onDefence('maxHeaderBytes')
    core.countReply()
    core.heads.putResponse(streamId, 431, ['content-length', '0'], true)
    if (!endsStream) core.putReset(streamId, 'NO_ERROR')
  }

  /**
   * Before it is known whether the request is taken; the numbers that it left out are used up with it (RFC
   * 9113 5.1.1).
   */
  #takeEarlyPriority(streamId: number): string | undefined {
    if (this.#earlyPriorities.size === 0) return undefined
    const value = this.#earlyPriorities.get(streamId)
    for (const id of this.#earlyPriorities.keys()) if (id <= streamId) this.#earlyPriorities.delete(id)
    return value
  }

  #break(streamId: number, error: unknown): void {
    if (!(error instanceof Http2StreamFault)) throw error
    this.#core.onStreamFault(streamId, error)
  }
}

/** Until the driver has answered onRequest. */
const NO_EVENTS: StreamEvents = {
  onResponse() {},
  onData() {},
  onEnd() {},
  onWritable() {},
  onReset() {},
}
