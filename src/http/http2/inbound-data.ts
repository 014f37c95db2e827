import { type HeaderList, NO_HEADERS } from '../../base/http/headers.ts'
import { SMALL_PIECE_BYTES } from '../../base/small-pieces.ts'
import { UNKNOWN_LENGTH } from '../multiplex/stream.ts'
import { type ActiveStream, nextStreamState } from './active-stream.ts'
import { Http2ConnectionFault, Http2StreamFault } from './frames/error-codes.ts'
import { END_STREAM } from './frames/frame-table.ts'
import type { Http2SessionCore } from './session-core.ts'

/**
 * DATA on its way from the frame reader to the readers of streams, and the end of what a peer says on a
 * stream.
 *
 * Small frames wait for the end of the read that they came in, and go to their reader together: one at a time
 * they would cost up to 17 microseconds each on their way through a proxy. The first one stays where it lies,
 * since most come alone; more are held as for a reader that is behind, stream by stream, so that streams that
 * take turns gain nothing.
 */
export class InboundData {
  readonly #core: Http2SessionCore
  /** Where the frame that is being read goes; undefined: nowhere. */
  #stream: ActiveStream | undefined
  #endsStream = false
  #isSmall = false
  /** The first small piece of the read that is being worked on: whose it is, and where it lies. */
  #first: ActiveStream | undefined
  #firstBuffer: Buffer | undefined
  #firstStart = 0
  #firstEnd = 0
  /** The streams for which more of this read is held. */
  #gathering: ActiveStream[] = []

  constructor(core: Http2SessionCore) {
    this.#core = core
  }

  start(streamId: number, flags: number, bytes: number, paddingBytes: number): void {
    const core = this.#core
    const dataBytes = bytes - paddingBytes
    this.#endsStream = (flags & END_STREAM) !== 0
    this.#stream = undefined
    this.#isSmall = !this.#endsStream && dataBytes < SMALL_PIECE_BYTES
    if (dataBytes > 0) core.guard.receiveContent(dataBytes, !this.#endsStream, core.now)
    else if (!this.#endsStream) core.guard.count('maxEmptyFramesPerSecond', core.now)
    core.receiving.receive(bytes)
    const stream = core.table.get(streamId)
    const verdict = core.table.judge('DATA', streamId, stream)
    if (verdict === 'ignore') return
    const fault =
      verdict === 'take' ? undefined : `DATA on stream ${streamId}, which the peer had ended or never opened`
    if (verdict !== 'take' && verdict.scope === 'connection')
      throw new Http2ConnectionFault(verdict.code, fault ?? '')
    try {
      if (verdict !== 'take') throw new Http2StreamFault(verdict.code, fault ?? '')
      if (stream === undefined) return
      core.receiving.receiveOnStream(stream, bytes)
      // RFC 9113 8.1: a message begins with its head.
      if (!stream.hasHead) throw new Http2StreamFault('PROTOCOL_ERROR', 'DATA before the head')
      if (stream.contentLeft !== UNKNOWN_LENGTH) {
        stream.contentLeft -= dataBytes
        if (stream.contentLeft < 0)
          throw new Http2StreamFault('PROTOCOL_ERROR', 'more DATA than content-length says')
      }
      this.#stream = stream
      if (paddingBytes > 0) core.receiving.onTaken(stream, paddingBytes, core.now)
    } catch (error) {
      this.#break(streamId, error)
    }
  }

  chunk(buffer: Buffer, start: number, end: number): void {
    const stream = this.#stream
    if (stream === undefined || stream.isOver) return
    if (stream === this.#first) this.#holdFirst(stream)
    if (stream.isPaused || stream.heldBytes > 0) {
      this.#core.receiving.hold(stream, buffer, start, end)
    } else if (!this.#isSmall) {
      this.#deliver(stream, buffer, start, end)
    } else if (this.#first === undefined) {
      this.#first = stream
      this.#firstBuffer = buffer
      this.#firstStart = start
      this.#firstEnd = end
    } else {
      this.#core.receiving.hold(stream, buffer, start, end)
      this.#gathering.push(stream)
    }
  }

  /** Small pieces of the stream go to its reader now: something follows that must not overtake them. */
  settle(stream: ActiveStream): void {
    if (stream === this.#first) this.#deliverFirst(stream)
    else if (stream.heldBytes > 0 && !stream.isPaused) this.deliverHeld(stream)
  }

  /** Likewise by its number, which nearly always is of no such stream. */
  settleId(streamId: number): void {
    if (this.#first === undefined && this.#gathering.length === 0) return
    const stream = this.#core.table.get(streamId)
    if (stream !== undefined) this.settle(stream)
  }

  /** The read is over. */
  flush(): void {
    const first = this.#first
    if (first !== undefined) this.#deliverFirst(first)
    this.#firstBuffer = undefined
    if (this.#gathering.length === 0) return
    const gathering = this.#gathering
    this.#gathering = []
    for (const stream of gathering) if (stream.heldBytes > 0 && !stream.isPaused) this.deliverHeld(stream)
  }

  #deliver(stream: ActiveStream, buffer: Buffer, start: number, end: number): void {
    stream.events.onData(buffer.subarray(start, end))
    if (!stream.isOver) this.#core.receiving.onTaken(stream, end - start, this.#core.now)
  }

  #deliverFirst(stream: ActiveStream): void {
    if (stream.isPaused && !stream.isOver) this.#holdFirst(stream)
    else {
      this.#first = undefined
      // as: it is there with #first
      if (!stream.isOver) this.#deliver(stream, this.#firstBuffer as Buffer, this.#firstStart, this.#firstEnd)
    }
  }

  #holdFirst(stream: ActiveStream): void {
    this.#first = undefined
    // as: it is there with #first
    this.#core.receiving.hold(stream, this.#firstBuffer as Buffer, this.#firstStart, this.#firstEnd)
    this.#gathering.push(stream)
  }

  end(): void {
    const stream = this.#stream
    this.#stream = undefined
    if (stream === undefined || stream.isOver || !this.#endsStream) return
    try {
      this.settle(stream)
      if (stream.isOver) return
      this.receiveEnd(stream, NO_HEADERS)
    } catch (error) {
      this.#break(stream.id, error)
    }
  }

  /** END_STREAM came. Throws Http2StreamFault when something is missing. */
  receiveEnd(stream: ActiveStream, trailers: HeaderList): void {
    if (stream.contentLeft > 0)
      throw new Http2StreamFault('PROTOCOL_ERROR', 'less DATA than content-length says')
    stream.state = nextStreamState(stream.state, 'receiveEnd')
    const isHeld = stream.isPaused || stream.heldBytes > 0
    if (!isHeld) this.#deliverEnd(stream, trailers)
    else if (stream.state === 'closed' && !this.#core.isOwedRest(stream)) this.#core.finish(stream)
    else stream.heldEnd = trailers
  }

  /** The reader has woken. */
  resume(stream: ActiveStream): void {
    this.deliverHeld(stream)
    this.#core.settle()
  }

  /** What is held goes to its reader, as far as it takes it. */
  deliverHeld(stream: ActiveStream): void {
    // A reader that pauses and resumes within onData is served by the loop that called it.
    if (stream.isDelivering || stream.isOver) return
    stream.isDelivering = true
    const { receiving, now } = this.#core
    while (!stream.isPaused && !stream.isOver) {
      const chunk = receiving.takeHeld(stream)
      if (chunk === undefined) break
      stream.isDeliveringOwned = true
      stream.events.onData(chunk)
      stream.isDeliveringOwned = false
      if (!stream.isOver) receiving.onTaken(stream, chunk.length, now)
    }
    stream.isDelivering = false
    if (stream.isPaused || stream.isOver || stream.heldEnd === undefined) return
    const trailers = stream.heldEnd
    stream.heldEnd = undefined
    this.#deliverEnd(stream, trailers)
  }

  /**
   * The connection is gone. What had come whole is whole, though its reader sleeps: it gets the rest now, as
   * pause() allows (see ExchangeHandler.onResponseData). nginx ends a connection like that: it answers
   * everything, says GOAWAY and closes. A request that came whole is of no use any more: nobody waits for its
   * answer.
   */
  deliverWhole(): void {
    const { role, table } = this.#core
    if (role === 'client') for (const stream of table.all()) this.#deliverWhole(stream)
  }

  #deliverWhole(stream: ActiveStream): void {
    const trailers = stream.heldEnd
    if (trailers === undefined || stream.isDelivering) return
    stream.heldEnd = undefined
    stream.isDelivering = true
    while (!stream.isOver) {
      const chunk = this.#core.receiving.takeHeld(stream)
      if (chunk === undefined) break
      stream.isDeliveringOwned = true
      stream.events.onData(chunk)
      stream.isDeliveringOwned = false
    }
    stream.isDelivering = false
    if (!stream.isOver) this.#deliverEnd(stream, trailers)
  }

  #deliverEnd(stream: ActiveStream, trailers: HeaderList): void {
    stream.hasReceivedEnd = true
    if (stream.state === 'closed') this.#core.finish(stream)
    stream.events.onEnd(trailers)
  }

  #break(streamId: number, error: unknown): void {
    if (!(error instanceof Http2StreamFault)) throw error
    this.#stream = undefined
    this.#core.onStreamFault(streamId, error)
  }
}
