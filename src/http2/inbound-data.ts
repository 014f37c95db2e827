import { type HeaderList, NO_HEADERS } from '../headers.ts'
import { type ActiveStream, UNKNOWN_LENGTH } from './active-stream.ts'
import { END_STREAM } from './frame-table.ts'
import { ConnectionFault, StreamFault } from './http2-error.ts'
import type { SessionCore } from './session-core.ts'
import { nextStreamState } from './stream-state.ts'

/** A DATA frame below this is tiny, unless it ends its stream. */
const TINY_BYTES = 64

/** DATA on its way from the frame reader to the readers of streams, and the end of what a peer says on a stream. */
export class InboundData {
  readonly #core: SessionCore
  /** Where the frame that is being read goes; undefined: nowhere. */
  #stream: ActiveStream | undefined
  #endsStream = false

  constructor(core: SessionCore) {
    this.#core = core
  }

  start(streamId: number, flags: number, bytes: number, paddingBytes: number): void {
    const core = this.#core
    const dataBytes = bytes - paddingBytes
    this.#endsStream = (flags & END_STREAM) !== 0
    this.#stream = undefined
    if (!this.#endsStream && dataBytes < TINY_BYTES) {
      core.guard.count(dataBytes === 0 ? 'maxEmptyFramesPerSecond' : 'maxTinyFramesPerSecond', core.now)
    }
    core.receiving.receive(bytes)
    const stream = core.table.get(streamId)
    const verdict = core.table.judge('DATA', streamId, stream)
    if (verdict === 'ignore') return
    const fault =
      verdict === 'take' ? undefined : `DATA on stream ${streamId}, which the peer had ended or never opened`
    if (verdict !== 'take' && verdict.scope === 'connection')
      throw new ConnectionFault(verdict.code, fault ?? '')
    try {
      if (verdict !== 'take') throw new StreamFault(verdict.code, fault ?? '')
      if (stream === undefined) return
      core.receiving.receiveOnStream(stream, bytes)
      // RFC 9113 8.1: a message begins with its head.
      if (!stream.hasHead) throw new StreamFault('PROTOCOL_ERROR', 'DATA before the head')
      if (stream.contentLeft !== UNKNOWN_LENGTH) {
        stream.contentLeft -= dataBytes
        if (stream.contentLeft < 0)
          throw new StreamFault('PROTOCOL_ERROR', 'more DATA than content-length says')
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
    const chunk = buffer.subarray(start, end)
    if (stream.isPaused || stream.heldBytes > 0) {
      this.#core.receiving.hold(stream, chunk)
      return
    }
    stream.events.onData(chunk)
    if (!stream.isOver) this.#core.receiving.onTaken(stream, end - start, this.#core.now)
  }

  end(): void {
    const stream = this.#stream
    this.#stream = undefined
    if (stream === undefined || stream.isOver || !this.#endsStream) return
    try {
      this.receiveEnd(stream, NO_HEADERS)
    } catch (error) {
      this.#break(stream.id, error)
    }
  }

  /** END_STREAM came. Throws StreamFault when something is missing. */
  receiveEnd(stream: ActiveStream, trailers: HeaderList): void {
    if (stream.contentLeft > 0) throw new StreamFault('PROTOCOL_ERROR', 'less DATA than content-length says')
    stream.state = nextStreamState(stream.state, 'receiveEnd')
    const isHeld = stream.isPaused || stream.heldBytes > 0
    if (!isHeld) this.#deliverEnd(stream, trailers)
    else if (stream.state === 'closed' && !this.#core.isOwedRest(stream)) this.#core.finish(stream)
    else stream.heldEnd = trailers
  }

  /** The reader has woken. */
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
   * The connection is gone. What had come whole is whole, though its reader sleeps: it gets the rest now, as pause() allows (see
   * ExchangeHandler.onResponseData). nginx ends a connection like that: it answers everything, says GOAWAY and closes. A request that came whole
   * is of no use any more: nobody waits for its answer.
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
    if (!(error instanceof StreamFault)) throw error
    this.#stream = undefined
    this.#core.onStreamFault(streamId, error)
  }
}
