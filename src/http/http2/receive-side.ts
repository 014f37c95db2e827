import { ChunkQueue } from '../../base/chunk-queue.ts'
import type { Http2Options } from '../../base/options/protocol-options.ts'
import type { ActiveStream } from './active-stream.ts'
import { Http2ConnectionFault, Http2StreamFault } from './frames/error-codes.ts'
import type { OutputQueue } from './frames/output-queue.ts'
import { InitialWindow, STALL_PARTS, WindowTuner } from './window-sizes.ts'

/** RFC 9113 6.9.2: the window of a connection, and that of a stream until our SETTINGS are known. */
const INITIAL_WINDOW = 65_535
/** RFC 9113 6.9.1 */
const MAX_WINDOW = 2 ** 31 - 1

/**
 * What the window of a stream grows to while its reader keeps up. A WINDOW_UPDATE is a write of its own on
 * our side and a wake-up on the peer's: with a quarter of this, a 200 MB download cost up to a third more
 * CPU.
 */
const BULK_WINDOW_BYTES = 1_048_576

/** While something is held, less credit than this is not worth a frame. */
const MIN_CREDIT_BYTES = 16_384

/**
 * The windows of all streams together may grow to this part of `maxBufferedBytes`: what was once given to a
 * stream whose reader then stalls cannot be taken back.
 */
const GROWTH_PARTS = 8

/** What the receive side needs of its session. */
export interface ReceiveHost {
  /** Sends the PING of a bandwidth sample; its answer is reported by onSamplePong. */
  sendSample(): void
  streamCount(): number
}

/**
 * The credit that we give. A stream gets back what its reader took, so that a reader who stalls stops its own
 * stream, which holds one window at the most; while many stall that is a small one (see InitialWindow). The
 * connection gets back what arrived, taken or not, so that no stalled reader stops the others: until what is
 * held and what may still come reach `maxBufferedBytes`. Then it gets back what readers take, and everybody
 * waits: the price of a bound on memory.
 */
export class ReceiveSide {
  readonly #output: OutputQueue
  readonly #options: Http2Options
  readonly #host: ReceiveHost
  readonly #tuner: WindowTuner
  readonly #initialWindow: InitialWindow
  /** What the peer may still send on the connection. */
  #window = INITIAL_WINDOW
  #windowTarget: number
  #heldBytes = 0
  #heldMemoryBytes = 0
  /** The peer may not know our initial window yet, and use the RFC's. */
  #slackBytes: number

  constructor(output: OutputQueue, options: Http2Options, host: ReceiveHost) {
    this.#output = output
    this.#options = options
    this.#host = host
    this.#initialWindow = new InitialWindow(options)
    this.#windowTarget = Math.max(options.connectionWindowBytes, INITIAL_WINDOW)
    this.#tuner = new WindowTuner(options.streamWindowBytes, options.maxStreamWindowBytes)
    this.#slackBytes = Math.max(0, INITIAL_WINDOW - options.streamWindowBytes)
  }

  /** What waits for readers, as payload. */
  get heldBytes(): number {
    return this.#heldBytes
  }

  /** The memory that it takes: this is what `maxBufferedBytes` bounds. */
  get heldMemoryBytes(): number {
    return this.#heldMemoryBytes
  }

  /** Raises the window of the connection from the RFC's to ours. */
  start(): void {
    const increment = this.#windowTarget - this.#window
    if (increment > 0) this.#output.putWindowUpdate(0, increment)
    this.#window += increment
  }

  /** What a stream begins with. */
  get initialWindowBytes(): number {
    return this.#initialWindow.bytes
  }

  get isAcknowledged(): boolean {
    return this.#initialWindow.isAcknowledged
  }

  onSettingsAcknowledged(): void {
    this.#slackBytes = 0
    this.#initialWindow.onAcknowledged()
  }

  /**
   * Narrows or widens the windows of all streams as what is held asks for, below zero if need be (RFC 9113
   * 6.9.2). Answers whether they have changed, so that the peer is to be notified by SETTINGS.
   */
  adjustInitialWindow(streams: () => Iterable<ActiveStream>, now: number): boolean {
    const difference = this.#initialWindow.adjust(this.#heldMemoryBytes, now)
    if (difference === 0) return false
    // Until it acknowledges, the peer may send what the wider window lets it.
    this.#slackBytes = Math.max(0, -difference)
    for (const stream of streams()) {
      stream.receiveWindow += difference
      stream.windowTarget += difference
    }
    return true
  }

  /** A DATA frame came: `bytes` with its padding. */
  receive(bytes: number): void {
    this.#window -= bytes
    if (this.#window < 0)
      throw new Http2ConnectionFault(
        'FLOW_CONTROL_ERROR',
        'the peer sent more than the window of the connection',
      )
    this.#tuner.onReceived(bytes)
    this.#creditConnection(bytes)
  }

  receiveOnStream(stream: ActiveStream, bytes: number): void {
    stream.receiveWindow -= bytes
    // A frame without content is legal below zero as well (6.9.1), which is where our SETTINGS may have taken
    // the window (6.9.2).
    if (bytes > 0 && stream.receiveWindow + this.#slackBytes < 0)
      throw new Http2StreamFault('FLOW_CONTROL_ERROR', 'the peer sent more than the window of the stream')
  }

  /** The reader took this much. */
  onTaken(stream: ActiveStream, bytes: number, now: number): void {
    stream.uncreditedBytes += bytes
    if (stream.uncreditedBytes * 2 < stream.windowTarget) return
    // Nothing more can come: credit would be wasted, and on a closed stream an error.
    if (stream.state !== 'open' && stream.state !== 'halfClosedLocal') return
    const most = this.#mostOf(stream)
    if (stream.windowTarget > most && !this.#shrink(stream, most)) return
    if (this.#tuner.wantsSample(now)) this.#host.sendSample()
    // A stream that carries bulk gets a window in which credit is rare, however short the round trip is.
    const roomy = Math.min(stream.windowTarget * 2, BULK_WINDOW_BYTES)
    const target = Math.max(stream.windowTarget, Math.min(most, Math.max(roomy, this.#tuner.targetBytes)))
    const increment = stream.uncreditedBytes + target - stream.windowTarget
    stream.windowTarget = target
    stream.uncreditedBytes = 0
    stream.receiveWindow += increment
    this.#output.putWindowUpdate(stream.id, increment)
  }

  /** How large the window of a stream may be, whose reader takes what comes. */
  #mostOf(stream: ActiveStream): number {
    const { maxBufferedBytes, maxStreamWindowBytes } = this.#options
    const { isNarrow, bytes } = this.#initialWindow
    if (isNarrow && (stream.isPaused || stream.heldBytes > 0)) return bytes
    const parts = (isNarrow ? STALL_PARTS : GROWTH_PARTS) * Math.max(1, this.#host.streamCount())
    return Math.max(bytes, Math.min(maxStreamWindowBytes, Math.floor(maxBufferedBytes / parts)))
  }

  /**
   * Takes what the reader took off a window that is too large, in place of giving it back. True: there is
   * something left to give.
   */
  #shrink(stream: ActiveStream, most: number): boolean {
    const excess = Math.min(stream.uncreditedBytes, stream.windowTarget - most)
    stream.windowTarget -= excess
    stream.uncreditedBytes -= excess
    return stream.uncreditedBytes * 2 >= stream.windowTarget
  }

  /**
   * Copies a borrowed piece of a read. To keep it as it is would be cheaper to the processor, but it holds
   * all of the read that it came in, which may be forty times as much.
   */
  hold(stream: ActiveStream, buffer: Buffer, start = 0, end: number = buffer.length): void {
    stream.held ??= new ChunkQueue()
    const { memoryBytes } = stream.held
    stream.held.append(buffer, start, end)
    stream.heldBytes += end - start
    this.#heldBytes += end - start
    this.#heldMemoryBytes += stream.held.memoryBytes - memoryBytes
  }

  /**
   * The first chunk that is held, taken out: small ones come joined. Its memory is the caller's. Undefined:
   * none is.
   */
  takeHeld(stream: ActiveStream): Buffer | undefined {
    const { held } = stream
    if (held === undefined) return undefined
    const { memoryBytes } = held
    const chunk = held.shift()
    if (chunk === undefined) return undefined
    stream.heldBytes -= chunk.length
    this.#heldBytes -= chunk.length
    this.#heldMemoryBytes += held.memoryBytes - memoryBytes
    this.#creditConnection()
    return chunk
  }

  /** The stream is gone: what it holds is dropped. */
  forget(stream: ActiveStream): void {
    if (stream.held !== undefined) {
      this.#heldBytes -= stream.heldBytes
      this.#heldMemoryBytes -= stream.held.memoryBytes
      stream.held = undefined
      stream.heldBytes = 0
    }
    this.#creditConnection()
  }

  /** False: it answers nothing that was asked. */
  onSamplePong(now: number): boolean {
    if (!this.#tuner.onPong(now)) return false
    // The connection must carry at least two streams at full speed.
    this.#windowTarget = Math.max(this.#windowTarget, Math.min(this.#tuner.targetBytes * 2, MAX_WINDOW))
    return true
  }

  /** `arrivingBytes` may be held in a moment. */
  #creditConnection(arrivingBytes = 0): void {
    // The target may have grown; the difference is part of what is given.
    let increment = this.#windowTarget - this.#window
    if (increment * 4 < this.#windowTarget) return
    if (this.#heldBytes > 0) {
      const spareBytes = this.#options.maxBufferedBytes - this.#heldMemoryBytes - arrivingBytes - this.#window
      increment = Math.min(increment, spareBytes)
      if (increment < MIN_CREDIT_BYTES) return
    }
    this.#window += increment
    this.#output.putWindowUpdate(0, increment)
  }
}
