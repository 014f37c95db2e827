import { NEVER } from '../../base/clock.ts'
import type { TransportError } from '../../base/errors.ts'
import { type HeaderList, hasHeader, headerValue, NO_HEADERS } from '../../base/http/headers.ts'
import { keepAsItIs, type Stream } from '../../http/multiplex/stream.ts'
import { refusalOf } from '../refusal.ts'
import type { RateProgress } from './shared-rate.ts'
import { TakeWatch } from './stream-exchange-host.ts'

/**
 * The response on one stream: its head, the body that the head promised, and whether its client takes it.
 *
 * The head may be held back until it is known whether a body follows, since a message without one ends on its
 * head: gRPC tells such an answer from an empty body.
 */
export class StreamResponse {
  readonly #stream: Stream
  #status = 0
  #headers: HeaderList = NO_HEADERS
  /** The message ended on its head. */
  #isBodiless = false
  /** Of the body that content-length promised; Infinity when it did not say. */
  #bytesLeft = Number.POSITIVE_INFINITY
  #writtenBytes = 0
  /** No more may be written before the client has taken some, though nothing may be queued. */
  #isHeldBack = false
  /** Written when waitsAnew() was asked last. */
  #waitedBytes = 0
  /** Made when something waits for the client's window for the first time. */
  #watch: TakeWatch | undefined

  constructor(stream: Stream) {
    this.#stream = stream
  }

  get isBodiless(): boolean {
    return this.#isBodiless
  }

  /** When `isTaken` is to be asked; NEVER while nothing waits for the window. */
  get deadlineMs(): number {
    return this.#watch === undefined ? NEVER : this.#watch.deadlineMs
  }

  /**
   * Takes the head. True: it is known how to open. False: whether a body follows is not known yet; it is
   * opened by hand.
   */
  start(status: number, headers: HeaderList, method: string): boolean {
    this.#status = status
    this.#headers = hasHeader(headers, 'upgrade') ? withoutUpgrade(headers) : headers
    if (method === 'HEAD' || status === 204 || status === 304) {
      this.#isBodiless = true
      return true
    }
    const length = headerValue(headers, 'content-length')
    if (length === undefined) return false
    this.#bytesLeft = Number(length)
    return this.#bytesLeft > 0
  }

  /** Puts out the head. Throws TransportError MM_INVALID_ARGUMENT when it cannot be written. */
  open(endsStream: boolean): void {
    this.#stream.respond(this.#status, this.#headers, endsStream)
    this.#isBodiless = endsStream
  }

  /** `longer`: it is more than content-length said, and nothing was put out. `full`: the client is slow. */
  write(chunk: Buffer, keep: (chunk: Buffer) => Buffer): 'taken' | 'full' | 'longer' {
    if (this.#isBodiless) return 'taken'
    if (chunk.length > this.#bytesLeft) return 'longer'
    this.#bytesLeft -= chunk.length
    this.#writtenBytes += chunk.length
    this.#isHeldBack = !this.#stream.write(chunk, keep)
    return this.#isHeldBack ? 'full' : 'taken'
  }

  /**
   * `shorter`: it is less than content-length said, and nothing was put out. `full`: it is complete, and some
   * of it waits for the client.
   */
  end(trailers: HeaderList): 'taken' | 'full' | 'shorter' {
    if (this.#isBodiless) return 'taken'
    if (this.#bytesLeft > 0 && this.#bytesLeft !== Number.POSITIVE_INFINITY) return 'shorter'
    this.#stream.end(trailers)
    return this.#stream.queuedBytes > 0 ? 'full' : 'taken'
  }

  /** The whole answer is an error; `name` is ours in Proxy-Status. Nothing was said before. */
  refuse(error: TransportError, method: string, name: string): 'taken' | 'full' {
    const { status, headers, body } = refusalOf(error, name)
    const isBodiless = method === 'HEAD'
    this.#stream.respond(status, headers, isBodiless)
    if (isBodiless) return 'taken'
    this.#writtenBytes += body.length
    this.#stream.write(Buffer.from(body, 'latin1'), keepAsItIs)
    this.#stream.end(NO_HEADERS)
    return this.#stream.queuedBytes > 0 ? 'full' : 'taken'
  }

  /** Bytes wait for the client's window, of which it must take some until then. */
  watch(deadlineMs: number): void {
    this.#watch ??= new TakeWatch()
    this.#watch.begin(this.#takenBytes, deadlineMs)
  }

  /**
   * Some of it waits: whether all that had been written when this was asked before was taken in between.
   */
  waitsAnew(): boolean {
    const isAnew = this.#stream.queuedBytes <= this.#writtenBytes - this.#waitedBytes
    this.#waitedBytes = this.#writtenBytes
    return isAnew
  }

  /** How far the client is, for the least rate. */
  get progress(): RateProgress {
    return { bytes: this.#takenBytes, isWaiting: this.#isWaiting }
  }

  /** The deadline has come: whether nothing waits any more (`all`), or some of it was taken. */
  isTaken(): 'all' | 'some' | 'nothing' {
    const hasTaken = this.#watch?.end(this.#takenBytes) === true
    if (!this.#isWaiting) return 'all'
    return hasTaken ? 'some' : 'nothing'
  }

  /** There is room. Whether nothing waits any more. */
  onWritable(): boolean {
    this.#isHeldBack = false
    return !this.#isWaiting
  }

  get #isWaiting(): boolean {
    return this.#isHeldBack || this.#stream.queuedBytes > 0
  }

  get #takenBytes(): number {
    return this.#writtenBytes - this.#stream.queuedBytes
  }
}

/** What an origin of HTTP/1.1 offers to switch to is said in HTTP/1.1 only (RFC 9113 8.2.2). */
function withoutUpgrade(headers: HeaderList): HeaderList {
  const kept: string[] = []
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string // even indexes are names
    if (name !== 'upgrade') kept.push(name, headers[i + 1] as string) // odd indexes are values
  }
  return kept
}
