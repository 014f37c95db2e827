import type { Processed } from '../../base/error-code-info.ts'
import { TransportError } from '../../base/errors.ts'
import type { CloseReason, Connection, ConnectionListener } from '../../base/events/connection.ts'
import { containFault } from '../../base/guard.ts'
import type { StreamSocket } from '../../base/socket/stream-socket.ts'

/**
 * What one connection reports to its listener (the pool): that it is draining, once; the end of each
 * exchange; and its own end, for which the first reason stands.
 */
export class ConnectionReports {
  readonly #connection: Connection
  readonly #listener: ConnectionListener
  readonly #socket: StreamSocket
  readonly #finish: () => void
  #endReason: CloseReason | undefined
  #hasReportedDraining = false

  /** `finish` ends what the connection holds, before its end is reported. */
  constructor(
    connection: Connection,
    listener: ConnectionListener,
    socket: StreamSocket,
    finish: () => void,
  ) {
    this.#connection = connection
    this.#listener = listener
    this.#socket = socket
    this.#finish = finish
    this.#endReason = undefined
  }

  /** The connection ends with its exchange, or has ended; undefined: it can be used again. */
  get endReason(): CloseReason | undefined {
    return this.#endReason
  }

  /** It ends with its exchange, and whoever asked for that knows it. */
  planEnd(reason: CloseReason): void {
    this.#endReason ??= reason
  }

  draining(reason: CloseReason): void {
    if (this.#hasReportedDraining) return
    this.#hasReportedDraining = true
    this.#endReason = reason
    this.#listener.onDraining(this.#connection, reason)
  }

  /** `reason`: the connection ends as well. Whatever goes wrong here, the exchange is notified of its end. */
  exchangeEnded(isFailed: boolean, reason: CloseReason | undefined, error: TransportError | undefined): void {
    try {
      if (reason !== undefined) this.draining(reason)
      this.#listener.onStreamClosed(this.#connection, isFailed)
      if (reason !== undefined) this.closed(reason, error)
    } catch (fault) {
      containFault('the end of an exchange', fault, () => this.#socket.destroy())
    }
  }

  /** Its socket is closed already: there is nothing to finish. */
  tunnelEnded(reason: CloseReason): void {
    this.#listener.onStreamClosed(this.#connection, false)
    this.#listener.onClosed(this.#connection, reason)
  }

  closed(reason: CloseReason, error: TransportError | undefined): void {
    this.#endReason ??= reason
    this.#finish()
    this.#listener.onClosed(this.#connection, reason, error)
  }
}

/** How a connection ended whose socket closed by itself: `cause` is the socket's error, if it had one. */
export function socketEnd(
  cause: Error | undefined,
  processed: Processed,
): { readonly reason: CloseReason; readonly error: TransportError } {
  if (cause === undefined) {
    const error = new TransportError('MM_CONNECTION_CLOSED', 'the connection was closed', { processed })
    return { reason: 'peer-closed', error }
  }
  const message = `the connection broke: ${cause.message}`
  return {
    reason: 'network-error',
    error: new TransportError('MM_CONNECTION_RESET', message, { cause, processed }),
  }
}
