import { type UnderlyingSink, WritableStream, type WritableStreamDefaultController } from 'node:stream/web'
import { guardedListener } from '../base/guard.ts'
import type { RawStream } from '../base/http/web-transport-carrier.ts'
import { bytesOf } from './bytes-of.ts'
import type { SendGroup, SendOrders } from './send-orders.ts'
import type { WebTransportSendGroup, WebTransportSendStream } from './types.ts'
import { codeOfReason, WebTransportError } from './web-transport-error.ts'

/** What the sending side of a stream asks of its session. */
export interface SendStreamHost {
  readonly orders: SendOrders
  /** So many bytes the session may send now. */
  readonly sendRoom: number
  onSent(bytes: number): void
  /** There was no room: onWritable() follows when there is. */
  awaitRoom(stream: SendSide): void
  onSendEnded(stream: SendSide): void
}

/** What users write to. Accessors of its class: to define them on each stream made it a slow object. */
class SendStream extends WritableStream<Uint8Array | ArrayBuffer> implements WebTransportSendStream {
  readonly #side: SendSide

  constructor(side: SendSide) {
    super(side)
    this.#side = side
  }

  get sendOrder(): number {
    return this.#side.order
  }
  set sendOrder(value: number) {
    this.#side.setOrder(value, this.#side.group)
  }

  get sendGroup(): WebTransportSendGroup | null {
    return this.#side.group
  }
  set sendGroup(value: WebTransportSendGroup | null) {
    this.#side.setGroup(value)
  }

  getStats(): Promise<{ readonly bytesWritten: number }> {
    return Promise.resolve({ bytesWritten: this.#side.writtenBytes })
  }
}

/** The sending side of a stream. It is the sink of its WritableStream itself: five closures less for each. */
export class SendSide implements UnderlyingSink<Uint8Array | ArrayBuffer> {
  readonly writable: WebTransportSendStream
  readonly #raw: RawStream
  readonly #host: SendStreamHost
  #controller: WritableStreamDefaultController | undefined
  /** A writer waits. */
  #wake: (() => void) | undefined
  #order = 0
  #group: SendGroup | null = null
  #writtenBytes = 0
  #watchesAbort = false
  #isOver = false

  constructor(raw: RawStream, host: SendStreamHost, order = 0, group: SendGroup | null = null) {
    this.#raw = raw
    this.#host = host
    this.writable = new SendStream(this)
    if (order !== 0 || group !== null) this.setOrder(order, group)
  }

  // Its WritableStream

  start(controller: WritableStreamDefaultController): void {
    this.#controller = controller
  }

  write(chunk: Uint8Array | ArrayBuffer): Promise<void> {
    return this.#write(bytesOf(chunk))
  }

  close(): void {
    this.#raw.end()
    this.#leave()
  }

  abort(reason: unknown): void {
    if (this.#isOver) return
    this.#raw.reset(codeOfReason(reason))
    this.#leave()
  }

  // Its session, and its users

  get order(): number {
    return this.#order
  }

  get group(): SendGroup | null {
    return this.#group
  }

  get writtenBytes(): number {
    return this.#writtenBytes
  }

  setGroup(group: WebTransportSendGroup | null): void {
    this.setOrder(this.#order, this.#host.orders.groupOf(group))
  }

  /** Throws RangeError. */
  setOrder(order: number, group: SendGroup | null): void {
    if (!Number.isSafeInteger(order)) throw new RangeError(`sendOrder must be a whole number, not ${order}`)
    this.#host.orders.remove(this, this.#group)
    this.#order = order
    this.#group = group
    if (!this.#isOver) this.#host.orders.add(this, group)
  }

  prioritize(urgency: number): void {
    this.#raw.prioritize(urgency, true)
  }

  onWritable(): void {
    const wake = this.#wake
    this.#wake = undefined
    wake?.()
  }

  onStopped(code: number | undefined): void {
    const message =
      code === undefined
        ? 'the peer wants no more of the stream'
        : `the peer stopped the stream with code ${code}`
    this.end(new WebTransportError('MM_STREAM_RESET', message, { source: 'stream', streamErrorCode: code }))
  }

  /** The session is over, or the peer wants no more. */
  end(error: WebTransportError): void {
    if (this.#isOver) return
    this.#controller?.error(error)
    this.#leave()
  }

  async #write(bytes: Uint8Array): Promise<void> {
    // After this turn of the loop's callbacks, so that an end that was asked for with it leaves with it.
    await Promise.resolve()
    let left = bytes
    while (left.length > 0 && !this.#isOver) {
      const room = Math.min(left.length, this.#host.sendRoom)
      const taken = room > 0 ? this.#raw.write(left.subarray(0, room)) : 0
      this.#host.onSent(taken)
      this.#writtenBytes += taken
      this.#group?.onWritten(taken)
      left = left.subarray(taken)
      if (taken === room && left.length > 0) this.#host.awaitRoom(this)
      if (left.length === 0) return
      this.#watchAbort()
      if (this.#isOver) return
      await new Promise<void>(resolve => (this.#wake = resolve))
    }
  }

  /**
   * A write that waits must not keep the reset back, and `abort` comes behind it only. Not before one waits:
   * to ask for the signal makes it, with an event target of its own.
   */
  #watchAbort(): void {
    if (this.#watchesAbort) return
    this.#watchesAbort = true
    const { signal } = (this.#controller ?? {}) as { signal?: AbortSignal } // Node has it, its types do not
    const onAbort = guardedListener(
      'the abort of a stream',
      () => this.abort(signal?.reason),
      () => {},
    )
    if (signal?.aborted === true) onAbort()
    else signal?.addEventListener('abort', onAbort, { once: true })
  }

  #leave(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#host.orders.remove(this, this.#group)
    this.onWritable()
    this.#host.onSendEnded(this)
  }
}
