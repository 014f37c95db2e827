import type { TransportError } from '../base/errors.ts'
import type { CloseReason, Connection, ConnectionListener } from '../base/events/connection.ts'
import type { Slot } from './slot.ts'

/** What the pool is notified of its connections. */
export interface SlotEvents {
  onSlotStreamClosed(link: SlotListener, failed: boolean): void
  onSlotCapacityChanged(link: SlotListener): void
  onSlotDraining(link: SlotListener, reason: CloseReason): void
  onSlotClosed(link: SlotListener, reason: CloseReason, error: TransportError | undefined): void
}

/**
 * Ties one connection to its slot. Each dial gets a listener of its own, so that an event finds its slot
 * without a lookup, and so that what happens between a connection's birth and the moment when the pool is
 * told of it is not lost.
 */
export class SlotListener implements ConnectionListener {
  readonly slot: Slot<SlotListener>
  /** Stops the dial. */
  readonly abort = new AbortController()
  readonly startedAt: number
  /** Undefined until the pool took the connection over. */
  connection: Connection | undefined
  /** What happened before that. */
  earlyDraining: CloseReason | undefined
  earlyClose: { error: TransportError | undefined } | undefined
  readonly #events: SlotEvents

  constructor(slot: Slot<SlotListener>, startedAt: number, events: SlotEvents) {
    this.slot = slot
    this.startedAt = startedAt
    this.connection = undefined
    this.earlyDraining = undefined
    this.earlyClose = undefined
    this.#events = events
  }

  onCapacityChanged(): void {
    if (this.connection !== undefined) this.#events.onSlotCapacityChanged(this)
  }

  onStreamClosed(_connection: Connection, failed: boolean): void {
    this.#events.onSlotStreamClosed(this, failed)
  }

  onDraining(_connection: Connection, reason: CloseReason): void {
    if (this.connection === undefined) this.earlyDraining = reason
    else this.#events.onSlotDraining(this, reason)
  }

  onClosed(_connection: Connection, reason: CloseReason, error?: TransportError): void {
    if (this.connection === undefined) this.earlyClose = { error }
    else this.#events.onSlotClosed(this, reason, error)
  }
}

/** An end that was found by a ping, or by the kernel: by keepalive, or since nothing was acknowledged. */
export function isSilence(reason: CloseReason, error: TransportError | undefined): boolean {
  if (reason === 'ping-failed') return true
  const cause = error?.cause
  return cause instanceof Error && 'code' in cause && cause.code === 'ETIMEDOUT'
}

/** `#3 leased 2/100, 12 requests: ` and the connection's own line. */
export function describeSlot(slot: Slot<SlotListener>): string {
  const connection = slot.link?.connection
  return connection === undefined ? 'connecting' : `${connection.toString()}: ${slot.stateText}`
}
