import type { Duplex } from 'node:stream'
import type { Connection } from '../connection.ts'
import { TransportError } from '../errors.ts'
import type { ExchangeController, ExchangeHandler, ExchangeRequest } from '../exchange.ts'
import type { HeaderList } from '../headers.ts'
import type { Waiter } from '../pool/pool.ts'
import type { Lane } from './lane.ts'

/** The exchange that a second try works for. */
export interface SecondTryOwner extends ExchangeHandler {
  /** The second try has an answer. False: the exchange has one already, or has ended. After true everything goes to the exchange. */
  onSecondTryAnswered(second: SecondTry): boolean
  /** It came to nothing. */
  onSecondTryFailed(second: SecondTry, error: TransportError): void
}

/** Where it stands. `waiting` for a connection; `sent`; `adopted`: its answer is the exchange's; `over`: given up or failed. */
type Phase = 'waiting' | 'sent' | 'adopted' | 'over'

/**
 * A second copy of a safe request, over another lane, while the first one is still out. The first answer of the two is the exchange's. It
 * never writes a body, and it says nothing to the caller before it has an answer.
 */
export class SecondTry implements Waiter, ExchangeHandler {
  readonly lane: Lane
  readonly startedAt: number
  readonly #owner: SecondTryOwner
  readonly #request: ExchangeRequest
  #phase: Phase = 'waiting'
  #connection: Connection | undefined
  #controller: ExchangeController | undefined
  #reused = false
  #leasedAt = 0
  readonly #now: () => number

  constructor(owner: SecondTryOwner, lane: Lane, request: ExchangeRequest, now: () => number) {
    this.#owner = owner
    this.lane = lane
    this.#request = request
    this.#now = now
    this.startedAt = now()
  }

  get connection(): Connection | undefined {
    return this.#connection
  }

  get controller(): ExchangeController | undefined {
    return this.#controller
  }

  get reused(): boolean {
    return this.#reused
  }

  /** Its answer is the exchange's. */
  get isAdopted(): boolean {
    return this.#phase === 'adopted'
  }

  /** 0: it has no connection yet. */
  get leasedAt(): number {
    return this.#leasedAt
  }

  start(): void {
    this.lane.pool.acquire(this, false, true)
  }

  /** The exchange has its answer, or has ended. */
  cancel(): void {
    const before = this.#phase
    if (before === 'adopted' || before === 'over') return
    this.#phase = 'over'
    if (before === 'waiting') this.lane.pool.cancel(this)
    else
      this.#controller?.abort(new TransportError('MM_ABORTED', 'the first copy of the request was answered'))
  }

  onLease(connection: Connection, reused: boolean): void {
    this.#phase = 'sent'
    this.#connection = connection
    this.#reused = reused
    this.#leasedAt = this.#now()
    connection.open(this.#request, this)
  }

  onLeaseFailed(error: TransportError): void {
    this.#fail(error)
  }

  onRequestStart(controller: ExchangeController): void {
    this.#controller = controller
  }

  onInformational(controller: ExchangeController, status: number, headers: HeaderList): void {
    if (this.#takesOver(controller)) this.#owner.onInformational(controller, status, headers)
  }

  onResponseStart(
    controller: ExchangeController,
    status: number,
    headers: HeaderList,
    statusText: string,
  ): void {
    if (this.#takesOver(controller)) this.#owner.onResponseStart(controller, status, headers, statusText)
  }

  onResponseData(controller: ExchangeController, chunk: Buffer): void {
    if (this.#phase === 'adopted') this.#owner.onResponseData(controller, chunk)
  }

  onResponseEnd(controller: ExchangeController, trailers: HeaderList): void {
    if (this.#phase === 'adopted') this.#owner.onResponseEnd(controller, trailers)
  }

  /** It asks for none: the request has no `upgrade`. */
  onUpgrade(controller: ExchangeController, _status: number, _headers: HeaderList, tunnel: Duplex): void {
    tunnel.destroy()
    this.onResponseError(
      controller,
      new TransportError('MM_PROTOCOL_ERROR', 'an upgrade that nobody asked for'),
    )
  }

  onResponseError(controller: ExchangeController | undefined, error: TransportError): void {
    if (this.#phase === 'adopted') this.#owner.onResponseError(controller, error)
    else this.#fail(error)
  }

  /** Whether an answer is the exchange's. Asked with its first sign. */
  #takesOver(controller: ExchangeController): boolean {
    if (this.#phase === 'adopted') return true
    if (this.#phase !== 'sent') return false
    this.#phase = 'adopted' // before the caller hears of it: an abort from there is the exchange's
    if (this.#owner.onSecondTryAnswered(this)) return true
    this.#phase = 'over'
    controller.abort(new TransportError('MM_ABORTED', 'the first copy of the request was answered'))
    return false
  }

  #fail(error: TransportError): void {
    if (this.#phase === 'over') return
    this.#phase = 'over'
    this.#owner.onSecondTryFailed(this, error)
  }
}
