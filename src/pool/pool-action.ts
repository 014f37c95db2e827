import type { TransportError } from '../base/errors.ts'
import type { CloseReason } from '../base/events/connection.ts'
import type { Slot } from './slot.ts'

/** What the policy wants done. The driver does it, in order, and decides nothing. */
export type PoolAction<Link, Waiter> =
  /** Dial. Answer with onConnected or onConnectFailed. */
  | { readonly type: 'connect'; readonly slot: Slot<Link> }
  /** The waiter has a stream of the connection. It ends with onStreamClosed or onReleased. */
  | {
      readonly type: 'lease'
      readonly slot: Slot<Link>
      readonly waiter: Waiter
      /** The connection was leased before. */
      readonly reused: boolean
    }
  /** The waiter gets nothing. */
  | { readonly type: 'reject'; readonly waiter: Waiter; readonly error: TransportError }
  /** Send a liveness probe. Answer with onPinged. */
  | { readonly type: 'ping'; readonly slot: Slot<Link> }
  /**
   * The pool gives the connection no more exchanges. For observers only: a lease may not have been opened
   * yet, so the pool counts to zero itself and then asks for `close`.
   */
  | { readonly type: 'drain'; readonly slot: Slot<Link>; readonly reason: CloseReason }
  /** End the connection, or stop its dial. Answer with onClosed. */
  | { readonly type: 'close'; readonly slot: Slot<Link>; readonly reason: CloseReason }
  /** Call onTimer at that time. Replaces the timer before. */
  | { readonly type: 'setTimer'; readonly at: number }
  | { readonly type: 'clearTimer' }
  /** The budget over all pools has no place, and a waiter needs one. */
  | { readonly type: 'starve' }

/** Nothing to do: the answer to most releases. */
export const NO_ACTIONS: readonly never[] = Object.freeze([])

/** The list between runs. Nothing is ever put into it. */
const NOTHING: never[] = []

/**
 * The actions that are still to be done, in order. The first list that comes is worked off as it is; what
 * comes meanwhile goes behind. Decisions that were overtaken by events can be taken out again.
 */
export class ActionList<Link, Waiter> {
  #actions: PoolAction<Link, Waiter>[] = NOTHING
  #next = 0

  /** Nobody works on it. */
  get isIdle(): boolean {
    return this.#actions === NOTHING
  }

  /** The list is handed over: the caller does not touch it afterwards. */
  add(actions: readonly PoolAction<Link, Waiter>[]): void {
    if (actions.length === 0) return
    if (this.#actions === NOTHING) {
      this.#actions = actions as PoolAction<Link, Waiter>[] // handed over; only the empty list is shared
    } else for (const action of actions) this.#actions.push(action)
  }

  /** The next one to do. Undefined: all is done, the list is idle. */
  take(): PoolAction<Link, Waiter> | undefined {
    const action = this.#actions[this.#next]
    if (action === undefined) {
      this.#actions = NOTHING
      this.#next = 0
    } else this.#next += 1
    return action
  }

  /** Takes out what was decided about the waiter and not done yet: its lease or its refusal. */
  removeFate(waiter: Waiter): PoolAction<Link, Waiter> | undefined {
    for (let at = this.#next; at < this.#actions.length; at += 1) {
      const action = this.#actions[at]
      if ((action?.type === 'lease' || action?.type === 'reject') && action.waiter === waiter) {
        this.#actions.splice(at, 1)
        return action
      }
    }
    return undefined
  }

  /** Takes out the leases of the slot that were not handed over yet. */
  removeLeases(slot: Slot<Link>): Waiter[] {
    const waiters: Waiter[] = []
    for (let at = this.#next; at < this.#actions.length; ) {
      const action = this.#actions[at]
      if (action?.type === 'lease' && action.slot === slot) {
        waiters.push(action.waiter)
        this.#actions.splice(at, 1)
      } else at += 1
    }
    return waiters
  }
}
