import type { Clock } from '../../base/clock.ts'
import { TransportError } from '../../base/errors.ts'
import type { CloseReason } from '../../base/events/connection.ts'
import { containFault, guardedListener } from '../../base/guard.ts'
import type { ReadPort } from '../../base/socket/read-port.ts'
import { drainOnEpipe, startLingering } from '../../base/socket/socket-ending.ts'
import type { StreamSocket } from '../../base/socket/stream-socket.ts'
import type { Http2Session } from './http2-session.ts'

/**
 * Carries the output of a session to its socket: what was put out within one turn of the event loop leaves in
 * one write, and the next one only follows when the last one has left. A session under load thus makes fewer
 * and larger writes by itself, and its two blocks of memory change places instead of being allocated.
 *
 * Memory that was given to socket.write() may be read until the write's callback ran. `writableLength` tells
 * that before: it is 0 exactly when every write so far has left, which on a plain socket is mostly so when
 * write() returns. The callback still comes afterwards, and is skipped. TLS encrypts within write() but calls
 * back a turn later, always.
 */
export class ConnectionOutput {
  readonly #socket: StreamSocket
  readonly #session: Http2Session
  readonly #onFault: (error: TransportError) => void
  #isScheduled = false
  #isWriting = false
  /** Callbacks that are still to come of writes that have left. */
  #stale = 0
  #isEnding = false

  /** `onFault`: writing has thrown, which was reported. */
  constructor(socket: StreamSocket, session: Http2Session, onFault: (error: TransportError) => void) {
    this.#socket = socket
    this.#session = session
    this.#onFault = onFault
  }

  /** Writes when the events of this turn were handled. */
  schedule(): void {
    if (this.#isScheduled || this.#isWriting) return
    this.#isScheduled = true
    setImmediate(this.#onTurn)
  }

  /** Writes what there is and then ends the socket; the peer has a bounded time to take it. */
  end(port: ReadPort, clock: Clock): void {
    if (this.#isEnding) return
    this.#isEnding = true
    if (this.#socket.destroyed) return
    startLingering(this.#socket, port, clock)
    if (!this.#isWriting) this.#flush()
  }

  readonly #onTurn = (): void => {
    this.#isScheduled = false
    if (!this.#isWriting && !this.#isEnding) this.#guardedFlush(false)
  }

  /** One callback for all writes. A failed write is reported by the socket's 'error' and 'close'. */
  readonly #onWritten = (): void => {
    if (this.#stale > 0) {
      this.#stale--
      return
    }
    if (!this.#isWriting) return
    this.#isWriting = false
    this.#guardedFlush(true)
  }

  #guardedFlush(hasWritten: boolean): void {
    try {
      if (hasWritten) this.#session.releaseOutput()
      this.#flush()
    } catch (error) {
      containFault('writing to an HTTP/2 connection', error, this.#onFault)
    }
  }

  #flush(): void {
    const socket = this.#socket
    const session = this.#session
    while (session.outputBytes > 0 && socket.writable) {
      this.#isWriting = true
      write(socket, session.takeOutput(), this.#onWritten)
      if (socket.writableLength > 0) return
      this.#stale++
      this.#isWriting = false
      session.releaseOutput()
    }
    if (this.#isEnding) socket.end()
  }
}

function write(socket: StreamSocket, buffers: readonly Buffer[], onWritten: () => void): void {
  const last = buffers.length - 1
  if (last > 0) {
    socket.cork()
    for (let i = 0; i < last; i++) socket.write(buffers[i])
  }
  socket.write(buffers[last], onWritten) // takeOutput() answers with at least one, since there were bytes
  if (last > 0) socket.uncork()
}

/** What a socket reports to its connection. */
export interface SocketReceiver {
  /** `buffer[start, end)` came; borrowed until the call returns. */
  onRead(buffer: Buffer, start: number, end: number): void
  /** Nothing more comes or goes. Reported again with every further sign of it. */
  onLost(reason: CloseReason, error: TransportError): void
  /** Somebody waits for an answer. */
  isWaiting(): boolean
  /** Something of ours has thrown in an event of the socket, and was reported: everything ends. */
  onFault(error: TransportError): void
}

const DURING = 'an event of an HTTP/2 connection'

/**
 * Ties a connected socket to its receiver. Nothing is reported before the call has returned: nobody can have
 * received the connection yet.
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
