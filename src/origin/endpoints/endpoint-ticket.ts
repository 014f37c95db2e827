import type { BalancedRequest } from '../../balance/balancer.ts'
import type { Timer } from '../../base/clock.ts'
import type { TransportError } from '../../base/errors.ts'
import type { Connection } from '../../base/events/connection.ts'
import type { Waiter } from '../../pool/pool-driver.ts'

const NOWHERE: ReadonlySet<number> = new Set()
/** Of no endpoint: it waits for the first one to be known. */
export const UNRESOLVED = -1

/** Who gives a request its endpoint. */
export interface TicketOwner {
  onLease(ticket: EndpointTicket, connection: Connection, reused: boolean): void
  onLeaseFailed(ticket: EndpointTicket, error: TransportError): void
}

/** One request on its way to a connection. */
export class EndpointTicket implements Waiter, BalancedRequest {
  readonly waiter: Waiter
  readonly key: string | undefined
  readonly fresh: boolean
  readonly isReplay: boolean
  /** See Waiter.avoids. */
  readonly avoided: number | undefined
  timer: Timer | undefined
  /** A pool has it, and has neither leased to it nor failed it. */
  isWaiting = false
  readonly #owner: TicketOwner
  #tried: Set<number> | undefined
  #index = UNRESOLVED

  constructor(
    owner: TicketOwner,
    waiter: Waiter,
    key: string | undefined,
    fresh: boolean,
    isReplay: boolean,
    avoided: number | undefined,
  ) {
    this.#owner = owner
    this.waiter = waiter
    this.key = key
    this.fresh = fresh
    this.isReplay = isReplay
    this.avoided = avoided
    this.timer = undefined
    this.#tried = undefined
  }

  get isRetry(): boolean {
    return this.waiter.isRetry === true
  }

  /** Where it waits; UNRESOLVED at first. */
  get index(): number {
    return this.#index
  }

  /** Where it is and was. */
  get tried(): ReadonlySet<number> {
    if (this.#index < 0) return NOWHERE
    return (this.#tried ??= new Set([this.#index]))
  }

  goTo(index: number): void {
    this.#tried?.add(index)
    this.#index = index
  }

  /** There are other endpoints from now on. */
  forgetTries(): void {
    this.#tried = undefined
    this.#index = UNRESOLVED
  }

  onLease(connection: Connection, reused: boolean): void {
    this.#owner.onLease(this, connection, reused)
  }

  onLeaseFailed(error: TransportError): void {
    this.#owner.onLeaseFailed(this, error)
  }
}
