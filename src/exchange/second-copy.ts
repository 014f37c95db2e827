import { TransportError } from '../base/errors.ts'
import type { Connection } from '../base/events/connection.ts'
import type { ExchangeController, ExchangeHandler, ExchangeRequest } from '../base/http/exchange.ts'
import type { HeaderList } from '../base/http/headers.ts'
import type { StreamSocket } from '../base/socket/stream-socket.ts'
import type { Lane } from '../origin/lanes/lane.ts'
import type { Waiter } from '../pool/pool-driver.ts'

/** A second copy with an answer. */
export interface AnsweredCopy {
  readonly lane: Lane
  readonly connection: Connection
  readonly controller: ExchangeController
  readonly reused: boolean
  readonly leasedAt: number
  /** It waited for that. */
  readonly queueMs: number
}

/** Who says what becomes of a second copy. */
export interface SecondCopyOwner {
  /**
   * It has an answer. False: that comes too late, or is not wanted. After true everything goes to the
   * exchange.
   */
  onCopyAnswered(answered: AnsweredCopy): boolean
  /** It came to nothing. */
  onCopyFailed(): void
  /** It has a connection: whether it is to be sent still. */
  isCopyWanted(): boolean
  /** Whether an answer with that status will do. */
  isAnswerWanted(status: number): boolean
}

/**
 * Where it stands. `waiting` for a connection; `sent`; `adopted`: its answer is the exchange's; `over`:
 * given up or failed.
 */
type Phase = 'waiting' | 'sent' | 'adopted' | 'over'

/**
 * A second copy of a request that may be sent twice, over another lane or another connection, while the
 * first one is still out. The first answer of the two is the exchange's. Its body, if it has one, is in
 * memory, and it says nothing to the caller before it has an answer.
 */
export class SecondCopy implements Waiter, ExchangeHandler {
  readonly #owner: SecondCopyOwner
  readonly #exchange: ExchangeHandler
  readonly #lane: Lane
  readonly #request: ExchangeRequest
  /** See Waiter. */
  readonly avoids: Connection | undefined
  #phase: Phase = 'waiting'
  #connection: Connection | undefined
  #controller: ExchangeController | undefined
  #reused = false
  #startedAt = 0
  #leasedAt = 0
  readonly #now: () => number

  /** `exchange`: who receives the answer, if it is taken; `avoids`: the connection of the first copy. */
  constructor(
    owner: SecondCopyOwner,
    exchange: ExchangeHandler,
    lane: Lane,
    request: ExchangeRequest,
    avoids: Connection | undefined,
    now: () => number,
  ) {
    this.#owner = owner
    this.#exchange = exchange
    this.#lane = lane
    this.#request = request
    this.avoids = avoids
    this.#now = now
  }

  get fairKey(): string | undefined {
    return this.#request.fairKey
  }

  /** `fresh`: only a new connection will do. */
  start(fresh: boolean): void {
    this.#startedAt = this.#now()
    this.#lane.pool.acquire(this, fresh, true)
  }

  /** The exchange has its answer, or has ended. */
  cancel(): void {
    const before = this.#phase
    if (before === 'adopted' || before === 'over') return
    this.#phase = 'over'
    if (before === 'waiting') this.#lane.pool.cancel(this)
    else
      this.#controller?.abort(new TransportError('MM_ABORTED', 'the first copy of the request was answered'))
  }

  onLease(connection: Connection, reused: boolean): void {
    if (!this.#owner.isCopyWanted()) {
      this.#lane.pool.release(connection)
      this.#fail()
      return
    }
    this.#phase = 'sent'
    this.#connection = connection
    this.#reused = reused
    this.#leasedAt = this.#now()
    const { altUsed } = connection
    connection.open(altUsed === undefined ? this.#request : withAltUsed(this.#request, altUsed), this)
  }

  onLeaseFailed(): void {
    this.#fail()
  }

  onRequestStart(controller: ExchangeController): void {
    this.#controller = controller
  }

  onInformational(controller: ExchangeController, status: number, headers: HeaderList): void {
    if (this.#takesOver(controller)) this.#exchange.onInformational(controller, status, headers)
  }

  onResponseStart(
    controller: ExchangeController,
    status: number,
    headers: HeaderList,
    statusText: string,
  ): void {
    if (this.#phase === 'sent' && !this.#owner.isAnswerWanted(status)) {
      const now = this.#now()
      if (this.#connection !== undefined)
        this.#lane.balanced?.onAnswered(this.#connection, status, now - this.#leasedAt, now)
      this.#fail()
      controller.abort(new TransportError('MM_ABORTED', 'the second copy was answered, but not well'))
    } else if (this.#takesOver(controller))
      this.#exchange.onResponseStart(controller, status, headers, statusText)
  }

  onResponseData(controller: ExchangeController, chunk: Buffer): void {
    if (this.#phase === 'adopted') this.#exchange.onResponseData(controller, chunk)
  }

  onResponseEnd(controller: ExchangeController, trailers: HeaderList): void {
    if (this.#phase === 'adopted') this.#exchange.onResponseEnd(controller, trailers)
  }

  /** It asks for none: the request has no `upgrade`. */
  onUpgrade(
    controller: ExchangeController,
    _status: number,
    _headers: HeaderList,
    tunnel: StreamSocket,
  ): void {
    tunnel.destroy()
    this.onResponseError(
      controller,
      new TransportError('MM_PROTOCOL_ERROR', 'an upgrade that nobody asked for'),
    )
  }

  onResponseError(controller: ExchangeController | undefined, error: TransportError): void {
    if (this.#phase === 'adopted') return this.#exchange.onResponseError(controller, error)
    if (this.#phase === 'sent' && this.#connection !== undefined)
      this.#lane.balanced?.onFailed(this.#connection, error, this.#now())
    this.#fail()
  }

  /** Whether an answer is the exchange's. Asked with its first sign. */
  #takesOver(controller: ExchangeController): boolean {
    if (this.#phase === 'adopted') return true
    const connection = this.#connection
    if (this.#phase !== 'sent' || connection === undefined) return false
    this.#phase = 'adopted' // before the caller is notified of it: an abort from there is the exchange's
    const answered: AnsweredCopy = {
      lane: this.#lane,
      connection,
      controller,
      reused: this.#reused,
      leasedAt: this.#leasedAt,
      queueMs: this.#leasedAt - this.#startedAt,
    }
    if (this.#owner.onCopyAnswered(answered)) return true
    this.#phase = 'over'
    controller.abort(new TransportError('MM_ABORTED', 'the first copy of the request was answered'))
    return false
  }

  #fail(): void {
    if (this.#phase === 'over') return
    this.#phase = 'over'
    this.#owner.onCopyFailed()
  }
}

/** RFC 7838 section 5: who uses an alternative says which one. */
export function withAltUsed(request: ExchangeRequest, altUsed: string): ExchangeRequest {
  return { ...request, headers: [...request.headers, 'alt-used', altUsed] }
}
