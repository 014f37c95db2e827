import type { TransportError } from '../../base/errors.ts'
import type { CloseReason } from '../../base/events/connection.ts'
import type { ClientSessionEvents } from './client-session.ts'

/** What carries the bytes of a session: a socket, or a QUIC connection. */
export interface Carrier {
  /** False once it has failed, when its end is about to be reported. */
  readonly isWritable: boolean
  /** Sends what there is and then ends. */
  finish(): void
  /** Whether it keeps the process alive. */
  ref(): void
  unref(): void
}

/** What a carrier and its session are given. */
export interface SessionHost {
  readonly events: ClientSessionEvents
  /** Something has come: the time of it, which is kept to until endInput(). */
  beginInput(): number
  endInput(): void
  /** Nothing more comes or goes. May be reported again. */
  onLost(reason: CloseReason, error: TransportError): void
  /**
   * Something of ours has thrown in an event of the carrier, and was reported: the connection ends at once,
   * with all that is on it.
   */
  readonly onFault: (error: TransportError) => void
  /** Somebody waits for an answer. */
  isWaiting(): boolean
}
