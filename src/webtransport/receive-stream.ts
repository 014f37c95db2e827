import { type ReadableByteStreamController, ReadableStream, type UnderlyingByteSource } from 'node:stream/web'
import type { RawStream } from '../base/http/web-transport-carrier.ts'
import type { WebTransportReceiveStream } from './types.ts'
import { codeOfReason, WebTransportError } from './web-transport-error.ts'

/** As much as QUIC hands over at once. All streams read into one buffer, and hand on copies. */
const READ_BYTES = 65_536
const sharedBuffer = Buffer.allocUnsafeSlow(READ_BYTES)

/** What the receiving side of a stream asks of its session. */
export interface ReceiveStreamHost {
  /** False: that was more than the peer may send, and the session has ended. */
  onReceived(bytes: number): boolean
  /** `isCounted` false: it was broken off, and nobody knows how much it had carried. */
  onReceiveEnded(stream: ReceiveSide, isCounted: boolean): void
}

/** What users read. */
class ReceiveStream extends ReadableStream<Uint8Array> implements WebTransportReceiveStream {
  readonly #side: ReceiveSide

  constructor(side: ReceiveSide) {
    super(side as object) // its types know sources of bytes as another overload
    this.#side = side
  }

  getStats(): Promise<{ readonly bytesRead: number }> {
    return Promise.resolve({ bytesRead: this.#side.readBytes })
  }
}

/**
 * The receiving side of a stream, which is the source of its ReadableStream itself. Nothing is read before
 * its reader asks, so that an unread stream holds no more than its window in QUIC, where its writer stops.
 */
export class ReceiveSide implements UnderlyingByteSource {
  readonly type = 'bytes'
  readonly readable: WebTransportReceiveStream
  readonly #raw: RawStream
  readonly #host: ReceiveStreamHost
  #controller: ReadableByteStreamController | undefined
  /** A reader waits. */
  #wake: (() => void) | undefined
  #readBytes = 0
  #isOver = false

  constructor(raw: RawStream, host: ReceiveStreamHost) {
    this.#raw = raw
    this.#host = host
    this.readable = new ReceiveStream(this)
  }

  // Its ReadableStream

  start(controller: ReadableByteStreamController): void {
    this.#controller = controller
  }

  pull(): Promise<void> | undefined {
    return this.#deliver() ? undefined : new Promise<void>(resolve => (this.#wake = resolve))
  }

  cancel(reason: unknown): void {
    this.#cancel(codeOfReason(reason))
  }

  get readBytes(): number {
    return this.#readBytes
  }

  // Its stream of QUIC

  onReadable(): void {
    if (this.#wake === undefined || !this.#deliver()) return
    this.#woken()
  }

  onReset(code: number | undefined): void {
    const message =
      code === undefined ? 'the peer reset the stream' : `the peer reset the stream with code ${code}`
    this.#fail(new WebTransportError('MM_STREAM_RESET', message, { source: 'stream', streamErrorCode: code }))
  }

  /** The session is over. */
  end(error: WebTransportError): void {
    this.#fail(error)
  }

  /** True: something came of it. */
  #deliver(): boolean {
    const controller = this.#controller
    if (controller === undefined || this.#isOver) return true
    const view = controller.byobRequest?.view ?? undefined
    const into =
      view === undefined ? sharedBuffer : Buffer.from(view.buffer, view.byteOffset, view.byteLength)
    const read = this.#raw.read(into)
    if (read === undefined) return false
    const [bytes, isEnd] = read
    if (bytes === 0 && !isEnd) return false
    this.#readBytes += bytes
    if (!this.#host.onReceived(bytes)) return true
    const request = controller.byobRequest
    if (bytes > 0) {
      if (view !== undefined && request !== null) request.respond(bytes)
      else controller.enqueue(new Uint8Array(sharedBuffer.subarray(0, bytes)))
    }
    if (!isEnd) return true
    this.#isOver = true
    controller.close()
    if (bytes === 0) controller.byobRequest?.respond(0)
    this.#host.onReceiveEnded(this, true)
    return true
  }

  #cancel(code: number): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#raw.stop(code)
    this.#woken()
    this.#host.onReceiveEnded(this, false)
  }

  #fail(error: WebTransportError): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#controller?.error(error)
    this.#woken()
    this.#host.onReceiveEnded(this, false)
  }

  #woken(): void {
    const wake = this.#wake
    this.#wake = undefined
    wake?.()
  }
}
