import type { Clock, Timer } from '../../base/clock.ts'
import type { TransportError } from '../../base/errors.ts'
import type { CloseReason, Connection, ConnectionListener } from '../../base/events/connection.ts'

export interface EarlyDataWatchEvents {
  /** The handshake was not complete in time, or the connection broke before anything was answered on it. */
  onHarm(): void
}

/**
 * Stands between a connection that offered a ticket and its pool. Such a connection may be used before the
 * peer has said a word, so that its handshake can still fail, or never end, when it is in use already; and
 * what the ticket promised (limits) may not hold.
 */
export class EarlyDataWatch implements ConnectionListener {
  readonly #listener: ConnectionListener
  readonly #events: EarlyDataWatchEvents
  #deadline: Timer | undefined
  /** An exchange has ended well: whatever breaks the connection later is not the ticket. */
  #hasServed = false
  #isEstablished = false

  constructor(listener: ConnectionListener, events: EarlyDataWatchEvents) {
    this.#listener = listener
    this.#events = events
  }

  /** The connection is there; its handshake may still be under way. `handshakeMs` 0: no limit. */
  watch(connection: Connection, handshakeMs: number, clock: Clock): void {
    if (this.#isEstablished || handshakeMs <= 0) return
    this.#deadline = clock.setTimer(handshakeMs, () => connection.close('timeout')) // onClosed follows
  }

  onHandshake(): void {
    this.#isEstablished = true
    this.#deadline?.cancel()
    this.#deadline = undefined
  }

  // From the connection

  onCapacityChanged(connection: Connection): void {
    this.#listener.onCapacityChanged(connection)
  }

  onStreamClosed(connection: Connection, failed: boolean): void {
    if (!failed && this.#isEstablished) this.#hasServed = true
    this.#listener.onStreamClosed(connection, failed)
  }

  onDraining(connection: Connection, reason: CloseReason): void {
    // Before the exchanges are notified of the end: what they are sent again by must not meet the ticket.
    if (isBreak(reason)) this.#judge()
    this.#listener.onDraining(connection, reason)
  }

  onClosed(connection: Connection, reason: CloseReason, error?: TransportError): void {
    this.#deadline?.cancel()
    this.#deadline = undefined
    // What the caller gave up says nothing of the peer.
    if (error?.fault === 'remote' || isBreak(reason)) this.#judge()
    this.#listener.onClosed(connection, reason, error)
  }

  #judge(): void {
    if (!this.#hasServed) this.#events.onHarm()
    this.#hasServed = true // once
  }
}

/** Ends that nobody meant. */
function isBreak(reason: CloseReason): boolean {
  return reason === 'network-error' || reason === 'protocol-error' || reason === 'timeout'
}
