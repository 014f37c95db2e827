import { ChunkQueue } from '../../base/chunk-queue.ts'
import type { HeaderList } from '../../base/http/headers.ts'
import { SendQueue } from '../multiplex/send-queue.ts'
import type { ActiveStream } from './active-stream.ts'
import { Http2ConnectionFault, Http2StreamFault } from './frames/error-codes.ts'
import { DATA, END_STREAM } from './frames/frame-table.ts'
import type { HeadWriter } from './frames/head-codec.ts'
import type { OutputQueue } from './frames/output-queue.ts'

/** RFC 9113 6.9.1 */
const MAX_WINDOW = 0x7fffffff
const INITIAL_WINDOW = 65_535

/** What the send side needs of its session. */
export interface Http2SendHost {
  /** END_STREAM is out. */
  onSentEnd(stream: ActiveStream): void
  /** Trailers cannot be put on the wire. */
  onUnsendable(stream: ActiveStream, error: unknown): void
  /** The end of a command of a stream's. */
  settle(): void
}

/**
 * What we send on streams, under the windows that the peer gives: DATA goes out at once where it can; what
 * cannot waits in its stream, and the streams wait in the send queue for their turn. A stream holds what it
 * was given while it waited: its driver is asked to stop by a `false`, so that this is one chunk.
 */
export class Http2SendSide {
  readonly #output: OutputQueue
  readonly #writeAheadBytes: number
  readonly #heads: HeadWriter
  readonly #host: Http2SendHost
  readonly #queue = new SendQueue<ActiveStream>()
  #window = INITIAL_WINDOW
  #isPumping = false
  /** The peer's settings. */
  #initialWindow = INITIAL_WINDOW
  #maxFrameBytes = 16_384

  constructor(output: OutputQueue, heads: HeadWriter, writeAheadBytes: number, host: Http2SendHost) {
    this.#output = output
    this.#heads = heads
    this.#writeAheadBytes = writeAheadBytes
    this.#host = host
  }

  get #hasRoom(): boolean {
    return this.#output.unsentBytes < this.#writeAheadBytes
  }

  /** What a new stream may send before the peer gives credit. */
  get initialWindow(): number {
    return this.#initialWindow
  }

  onMaxFrameBytes(bytes: number): void {
    this.#maxFrameBytes = bytes
    this.#heads.onMaxFrameBytes(bytes)
  }

  respond(stream: ActiveStream, status: number, headers: HeaderList, endsStream: boolean): void {
    if (stream.isOver || !stream.isSendOpen) return
    const at = this.#output.position
    this.#heads.putResponse(stream.id, status, headers, endsStream)
    stream.lastFrameAt = at
    if (stream.firstFrameAt < 0) stream.firstFrameAt = at
    if (endsStream) this.#host.onSentEnd(stream)
    this.#host.settle()
  }

  /** False: wait for onWritable. */
  write(stream: ActiveStream, chunk: Uint8Array, keep: (chunk: Buffer) => Buffer): boolean {
    if (stream.isOver) return true
    const wantsMore = this.#take(stream, chunk, keep)
    this.#host.settle()
    return wantsMore
  }

  #take(stream: ActiveStream, chunk: Uint8Array, keep: (chunk: Buffer) => Buffer): boolean {
    if (!stream.isSendOpen || chunk.length === 0) return true
    let at = 0
    // Who comes while others wait has to wait as well.
    if (stream.queuedBytes === 0 && this.#queue.isEmpty) at = this.#putDirectly(stream, chunk)
    if (at < chunk.length) {
      // `keep` may be called with any piece of what its owner gave.
      const rest = keep((at === 0 ? chunk : chunk.subarray(at)) as Buffer)
      stream.queue ??= new ChunkQueue()
      stream.queue.push(rest)
      stream.queuedBytes += rest.length
    } else if (this.#hasRoom && this.#queue.isEmpty && stream.queuedBytes === 0) return true
    stream.wantsRoom = true
    this.#enqueue(stream)
    return false
  }

  end(stream: ActiveStream, trailers: HeaderList): void {
    if (stream.isOver) return
    if (stream.isSendOpen) {
      stream.wantsRoom = false
      if (stream.queuedBytes > 0) stream.pendingEnd = trailers
      else {
        this.#queue.remove(stream)
        this.#putEnd(stream, trailers)
      }
    }
    this.#host.settle()
  }

  /** Sends what may be sent. To be called when a window or room came. */
  pump(): void {
    if (this.#isPumping) return
    this.#isPumping = true
    try {
      while (this.#window > 0 && this.#hasRoom) {
        const stream = this.#queue.first()
        if (stream === undefined) break
        this.#sendQueued(stream)
      }
    } finally {
      // The holder of a tunnel may throw when its stream is notified of room: the others must not stand still
      // for it.
      this.#isPumping = false
    }
  }

  /** The stream is gone. */
  forget(stream: ActiveStream): void {
    this.#queue.remove(stream)
    stream.queue = undefined
    stream.queueOffset = 0
    stream.queuedBytes = 0
    stream.pendingEnd = undefined
    stream.wantsRoom = false
  }

  /** A new priority: RFC 9218. */
  reprioritize(stream: ActiveStream, priority: ActiveStream['priority']): void {
    const wasQueued = stream.isQueued
    this.#queue.remove(stream)
    stream.priority = priority
    if (wasQueued) this.#queue.add(stream)
  }

  /** WINDOW_UPDATE on stream 0. */
  onConnectionCredit(increment: number): void {
    if (increment === 0) throw new Http2ConnectionFault('PROTOCOL_ERROR', 'WINDOW_UPDATE of 0')
    if (this.#window + increment > MAX_WINDOW)
      throw new Http2ConnectionFault('FLOW_CONTROL_ERROR', 'the window of the connection grew above 2^31-1')
    this.#window += increment
    this.pump()
  }

  onStreamCredit(stream: ActiveStream, increment: number): void {
    if (increment === 0) throw new Http2StreamFault('PROTOCOL_ERROR', 'WINDOW_UPDATE of 0')
    if (stream.sendWindow + increment > MAX_WINDOW)
      throw new Http2StreamFault('FLOW_CONTROL_ERROR', 'the window of the stream grew above 2^31-1')
    stream.sendWindow += increment
    this.#enqueue(stream)
    this.pump()
  }

  /**
   * A new SETTINGS_INITIAL_WINDOW_SIZE moves the windows of all streams, below zero if need be (RFC 9113
   * 6.9.2).
   */
  onInitialWindow(bytes: number, streams: Iterable<ActiveStream>): void {
    const difference = bytes - this.#initialWindow
    this.#initialWindow = bytes
    if (difference === 0) return
    for (const stream of streams) {
      stream.sendWindow += difference
      if (stream.sendWindow > MAX_WINDOW)
        throw new Http2ConnectionFault(
          'FLOW_CONTROL_ERROR',
          'SETTINGS_INITIAL_WINDOW_SIZE overflows a window',
        )
      if (stream.sendWindow > 0) this.#enqueue(stream)
      else this.#queue.remove(stream)
    }
    this.pump()
  }

  #enqueue(stream: ActiveStream): void {
    if (stream.sendWindow > 0 && (stream.queuedBytes > 0 || stream.wantsRoom)) this.#queue.add(stream)
  }

  /** Puts out as much of a chunk as may go now. Answers how much that was. */
  #putDirectly(stream: ActiveStream, chunk: Uint8Array): number {
    let at = 0
    while (at < chunk.length && this.#hasRoom) {
      const bytes = Math.min(chunk.length - at, this.#maxFrameBytes, stream.sendWindow, this.#window)
      if (bytes <= 0) break
      this.#putData(stream, chunk, at, at + bytes)
      at += bytes
    }
    return at
  }

  #putData(stream: ActiveStream, chunk: Uint8Array, start: number, end: number): void {
    stream.lastFrameAt = this.#output.position
    this.#output.putData(stream.id, 0, chunk, start, end)
    stream.sendWindow -= end - start
    this.#window -= end - start
  }

  /** One frame of the stream whose turn it is, or a word to its driver that there is room. */
  #sendQueued(stream: ActiveStream): void {
    const { queue } = stream
    const chunk = queue?.peek()
    if (queue !== undefined && chunk !== undefined) {
      const start = stream.queueOffset
      const bytes = Math.min(chunk.length - start, this.#maxFrameBytes, stream.sendWindow, this.#window)
      this.#putData(stream, chunk, start, start + bytes)
      stream.queuedBytes -= bytes
      if (start + bytes < chunk.length) stream.queueOffset = start + bytes
      else {
        stream.queueOffset = 0
        queue.shift()
      }
      if (stream.queuedBytes > 0) {
        if (stream.sendWindow > 0) this.#queue.onSent(stream)
        else this.#queue.remove(stream)
        return
      }
      if (stream.pendingEnd !== undefined) {
        const trailers = stream.pendingEnd
        this.#queue.remove(stream)
        this.#putEnd(stream, trailers)
        return
      }
      if (stream.sendWindow <= 0) {
        this.#queue.remove(stream) // it comes back with its window
        return
      }
      if (!this.#hasRoom) return
    }
    this.#queue.remove(stream)
    if (!stream.wantsRoom) return
    stream.wantsRoom = false
    if (!stream.isOver) stream.events.onWritable()
  }

  #putEnd(stream: ActiveStream, trailers: HeaderList): void {
    stream.pendingEnd = undefined
    if (trailers.length > 0) {
      try {
        this.#heads.putTrailers(stream.id, trailers)
      } catch (error) {
        this.#host.onUnsendable(stream, error)
        return
      }
      // A flag on its last frame spares a frame of its own, when that frame still lies here.
    } else if (stream.lastFrameAt < 0 || !this.#output.endStreamAt(stream.lastFrameAt)) {
      this.#output.startFrame(0, DATA, END_STREAM, stream.id)
    }
    this.#host.onSentEnd(stream)
  }
}
