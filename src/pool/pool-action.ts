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
