import type { Fifo } from '../../base/fifo.ts'
import type { QuicEvent } from '../engine.ts'
import type { NativeConnection } from './binding.ts'
import type { UnreadDataGuard } from './unread-data-guard.ts'

/** The DATAGRAM frames of one connection (RFC 9221), in both directions. */
export class Datagrams {
  readonly #native: NativeConnection
  readonly #events: Fifo<QuicEvent>
  readonly #guard: UnreadDataGuard
  readonly #isEnabled: boolean

  /** `maxQueued` 0: none are taken. */
  constructor(native: NativeConnection, events: Fifo<QuicEvent>, guard: UnreadDataGuard, maxQueued: number) {
    this.#native = native
    this.#events = events
    this.#guard = guard
    this.#isEnabled = maxQueued !== 0
  }

  /** What one may carry now; 0: the peer takes none, or there is no queue for them. */
  get maxBytes(): number {
    if (!this.#isEnabled) return 0
    return Math.max(0, this.#native.dgramMaxWritableLen() ?? 0)
  }

  /** False: it was not taken, and is lost. */
  send(bytes: Uint8Array): boolean {
    try {
      return this.#native.dgramSend(bytes) !== null
    } catch {
      return false // BufferTooShort: too long; InvalidState: the peer takes none
    }
  }

  /** Hands out all that have come. */
  poll(): void {
    if (!this.#isEnabled) return
    for (let left = this.#native.dgramRecvQueueLen(); left > 0; left -= 1) {
      const bytes = this.#native.dgramRecvVec()
      if (bytes === null) return
      this.#guard.onDelivered(bytes.length)
      this.#events.push({
        type: 'datagram',
        bytes: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length),
      })
    }
  }
}
