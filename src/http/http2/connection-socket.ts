import { TransportError } from '../../base/errors.ts'
import type { CloseReason } from '../../base/events/connection.ts'
import { guardedListener } from '../../base/guard.ts'
import { drainOnEpipe } from '../../base/socket/drain-on-epipe.ts'
import type { ReadPort } from '../../base/socket/read-port.ts'
import type { StreamSocket } from '../../base/socket/stream-socket.ts'

/** What a socket reports to its connection. */
export interface SocketReceiver {
  /** `buffer[start, end)` came; borrowed until the call returns. */
  onRead(buffer: Buffer, start: number, end: number): void
  /** Nothing more comes or goes. Told again with every further sign of it. */
  onLost(reason: CloseReason, error: TransportError): void
  /** Somebody waits for an answer. */
  isWaiting(): boolean
  /** Something of ours has thrown in an event of the socket, and was reported: everything ends. */
  onFault(error: TransportError): void
}

const DURING = 'an event of an HTTP/2 connection'

/**
 * Ties a connected socket to its receiver. Nothing is told before the call has returned: nobody can have
 * heard of the connection yet.
 */
export function attachSocket(socket: StreamSocket, port: ReadPort, receiver: SocketReceiver): void {
  let socketError: Error | undefined
  const onFault = (error: TransportError): void => receiver.onFault(error)
  const guard = (listener: () => void) => guardedListener(DURING, listener, onFault)
  const onClosed = guard(() => {
    const cause = socketError
    if (cause === undefined) receiver.onLost('peer-closed', closedByPeer())
    else receiver.onLost('network-error', broken(cause))
  })
  port.attach({
    onRead: (buffer, start, end) => {
      receiver.onRead(buffer, start, end)
      return true // the windows hold the peer back, stream by stream
    },
    onFault,
  })
  socket.on(
    'end',
    guard(() => receiver.onLost('peer-closed', closedByPeer())),
  )
  socket.on('error', error => void (socketError = error))
  socket.on('close', onClosed)
  drainOnEpipe(socket, () => receiver.isWaiting())
  const early = port.takeEarly()
  const isEnded = socket.destroyed || socket.readableEnded
  if (early === undefined && !isEnded) return
  setImmediate(
    guard(() => {
      if (early !== undefined) {
        receiver.onRead(early, 0, early.length)
        socket.resume()
      }
      if (isEnded) onClosed()
    }),
  )
}

function closedByPeer(): TransportError {
  return new TransportError('MM_CONNECTION_CLOSED', 'the peer closed the connection', {
    processed: 'unknown',
  })
}

function broken(cause: Error): TransportError {
  const message = `the connection broke: ${cause.message}`
  return new TransportError('MM_CONNECTION_RESET', message, { cause, processed: 'unknown' })
}
