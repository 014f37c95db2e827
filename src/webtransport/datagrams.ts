import { ReadableStream, type ReadableStreamDefaultController, WritableStream } from 'node:stream/web'
import type { Clock } from '../base/clock.ts'
import type { WebTransportCarrier } from '../base/http/web-transport-carrier.ts'
import { bytesOf } from './bytes-of.ts'
import { DatagramQueue } from './datagram-queue.ts'
import type { CarriedSession } from './types.ts'
import type { WebTransportError } from './web-transport-error.ts'

const HIGH_WATER_MARK = 64

type Carried = CarriedSession['datagrams']

/** The datagrams of one session, in both directions. */
export class SessionDatagrams implements Carried {
  readonly readable: ReadableStream<Uint8Array>
  readonly writable: WritableStream<Uint8Array | ArrayBuffer>
  readonly #clock: Clock
  readonly #incoming = new DatagramQueue(HIGH_WATER_MARK, Number.POSITIVE_INFINITY)
  readonly #outgoing = new DatagramQueue(Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY)
  #outgoingHighWaterMark = HIGH_WATER_MARK
  /** Stands for a reader. */
  #listener: Carried['onDatagram']
  #carrier: WebTransportCarrier | undefined
  #reader: ReadableStreamDefaultController<Uint8Array> | undefined
  /** A reader waits. */
  #wakeReader: (() => void) | undefined
  #wakeWriter: (() => void) | undefined
  #failWriter: ((error: Error) => void) | undefined
  #oversized = 0
  #unsent = 0
  #isOver = false

  constructor(clock: Clock) {
    this.#clock = clock
    this.readable = new ReadableStream<Uint8Array>(
      {
        start: controller => void (this.#reader = controller),
        pull: () =>
          this.#deliver() ? undefined : new Promise<void>(resolve => (this.#wakeReader = resolve)),
        cancel: () => {
          this.#reader = undefined
          this.#incoming.clear()
        },
      },
      { highWaterMark: 0 },
    )
    this.writable = new WritableStream<Uint8Array | ArrayBuffer>({
      start: controller => void (this.#failWriter = error => controller.error(error)),
      write: chunk => this.#write(bytesOf(chunk)),
    })
  }

  get onDatagram(): Carried['onDatagram'] {
    return this.#listener
  }
  /** What has come before is handed over at once. */
  set onDatagram(listener: Carried['onDatagram']) {
    this.#listener = listener
    if (listener === undefined) return
    const now = this.#clock.now()
    for (let bytes = this.#incoming.peek(now); bytes !== undefined; bytes = this.#incoming.peek(now)) {
      this.#incoming.shift()
      listener(bytes)
    }
  }

  get maxDatagramSize(): number {
    return this.#carrier?.maxDatagramBytes ?? 0
  }

  get incomingHighWaterMark(): number {
    return this.#incoming.highWaterMark
  }
  set incomingHighWaterMark(value: number) {
    this.#incoming.highWaterMark = Math.max(1, checked('incomingHighWaterMark', value))
  }

  get outgoingHighWaterMark(): number {
    return this.#outgoingHighWaterMark
  }
  set outgoingHighWaterMark(value: number) {
    this.#outgoingHighWaterMark = Math.max(1, checked('outgoingHighWaterMark', value))
    this.#send()
  }

  get incomingMaxAge(): number | null {
    return ageOf(this.#incoming)
  }
  set incomingMaxAge(value: number | null) {
    this.#incoming.maxAge = value === null ? Number.POSITIVE_INFINITY : checked('incomingMaxAge', value)
  }

  get outgoingMaxAge(): number | null {
    return ageOf(this.#outgoing)
  }
  set outgoingMaxAge(value: number | null) {
    this.#outgoing.maxAge = value === null ? Number.POSITIVE_INFINITY : checked('outgoingMaxAge', value)
  }

  get figures(): {
    readonly droppedIncoming: number
    readonly expiredOutgoing: number
    readonly oversizedOutgoing: number
  } {
    const { dropped, expired } = this.#incoming
    return {
      droppedIncoming: dropped + expired,
      expiredOutgoing: this.#outgoing.expired,
      oversizedOutgoing: this.#oversized,
    }
  }

  /** See CarriedSession. */
  get lost(): CarriedSession['lostDatagrams'] {
    const { dropped, expired } = this.#incoming
    return { unread: dropped + expired, oversized: this.#oversized, unsent: this.#unsent }
  }

  // What the session reports

  begin(carrier: WebTransportCarrier): void {
    this.#carrier = carrier
    this.#send()
  }

  /** Owned. */
  receive(payload: Buffer): void {
    if (this.#reader === undefined || this.#isOver) return
    if (this.#listener !== undefined) return this.#listener(payload)
    this.#incoming.push(payload, this.#clock.now())
    if (this.#wakeReader === undefined || !this.#deliver()) return
    const wake = this.#wakeReader
    this.#wakeReader = undefined
    wake()
  }

  onRoom(): void {
    this.#send()
  }

  relay(payload: Uint8Array): boolean {
    if (this.#isOver) return false
    const lost = this.#oversized + this.#unsent
    if (this.#outgoing.length >= this.#outgoingHighWaterMark) {
      this.#outgoing.shift()
      this.#unsent += 1
    }
    this.#outgoing.push(payload, this.#clock.now())
    this.#send()
    return this.#oversized + this.#unsent === lost
  }

  /** The session is over. `isLost`: without having been closed. */
  end(error: WebTransportError, isLost: boolean): void {
    if (this.#isOver) return
    this.#isOver = true
    const reader = this.#reader
    this.#reader = undefined
    this.#incoming.clear()
    this.#outgoing.clear()
    if (isLost) reader?.error(error)
    else reader?.close()
    this.#failWriter?.(error)
    this.#wakeReader?.()
    this.#wakeWriter?.()
  }

  #deliver(): boolean {
    const bytes = this.#incoming.peek(this.#clock.now())
    if (bytes === undefined || this.#reader === undefined) return false
    this.#incoming.shift()
    this.#reader.enqueue(bytes)
    return true
  }

  /** Resolves when as few wait as the mark says. */
  #write(bytes: Uint8Array): Promise<void> | undefined {
    // Its owner may use its memory again.
    this.#outgoing.push(Buffer.from(bytes), this.#clock.now())
    this.#send()
    if (this.#outgoing.length < this.#outgoingHighWaterMark) return undefined
    return new Promise<void>(resolve => (this.#wakeWriter = resolve))
  }

  #send(): void {
    const carrier = this.#carrier
    if (carrier === undefined || this.#isOver) return
    const now = this.#clock.now()
    for (let bytes = this.#outgoing.peek(now); bytes !== undefined; bytes = this.#outgoing.peek(now)) {
      if (bytes.length > carrier.maxDatagramBytes) this.#oversized += 1
      else if (!carrier.sendDatagram(bytes)) break
      this.#outgoing.shift()
    }
    if (this.#outgoing.length >= this.#outgoingHighWaterMark) return
    const wake = this.#wakeWriter
    this.#wakeWriter = undefined
    wake?.()
  }
}

function ageOf({ maxAge }: DatagramQueue): number | null {
  return Number.isFinite(maxAge) ? maxAge : null
}

function checked(name: string, value: number): number {
  if (typeof value !== 'number' || Number.isNaN(value) || value < 0) {
    throw new RangeError(`${name} must be a number of at least 0, not ${value}`)
  }
  return value
}
