import type { Clock } from '../../src/base/clock.ts'
import type { TransportError } from '../../src/base/errors.ts'
import type { ExchangeController, ExchangeHandler } from '../../src/base/http/exchange.ts'
import { type HeaderList, NO_HEADERS } from '../../src/base/http/headers.ts'

/** Notes all of one exchange at the client, with times of the virtual clock. */
export class TimedExchange implements ExchangeHandler {
  readonly informational: [status: number, headers: HeaderList][] = []
  readonly chunks: Buffer[] = []
  status = 0
  headers: HeaderList = NO_HEADERS
  trailers: HeaderList = NO_HEADERS
  error: TransportError | undefined
  controller: ExchangeController | undefined
  /** From the open() on. */
  tookMs = Infinity
  stallMs: number | undefined
  /** Its reader falls asleep at the head. */
  readonly isSleepy: boolean
  readonly #clock: Clock
  readonly #startMs: number

  constructor(clock: Clock, isSleepy = false) {
    this.#clock = clock
    this.#startMs = clock.now()
    this.isSleepy = isSleepy
  }

  get isDone(): boolean {
    return this.tookMs !== Infinity
  }

  get body(): Buffer {
    return Buffer.concat(this.chunks)
  }

  get bytes(): number {
    return this.chunks.reduce((sum, { length }) => sum + length, 0)
  }

  onRequestStart(controller: ExchangeController): void {
    this.controller = controller
  }

  onInformational(_controller: ExchangeController, status: number, headers: HeaderList): void {
    this.informational.push([status, headers])
  }

  onResponseStart(controller: ExchangeController, status: number, headers: HeaderList): void {
    this.status = status
    this.headers = headers
    if (this.isSleepy) controller.pause()
  }

  onResponseData(_controller: ExchangeController, chunk: Buffer): void {
    this.chunks.push(Buffer.from(chunk))
  }

  onResponseEnd(controller: ExchangeController, trailers: HeaderList): void {
    this.trailers = trailers
    this.#finish(controller)
  }

  onUpgrade(): void {
    throw new Error('nobody asked for a tunnel')
  }

  onResponseError(controller: ExchangeController | undefined, error: TransportError): void {
    this.error = error
    this.#finish(controller)
  }

  #finish(controller: ExchangeController | undefined): void {
    if (this.isDone) throw new Error('an exchange ended twice')
    this.tookMs = this.#clock.now() - this.#startMs
    this.stallMs = controller?.stallMs
  }
}
