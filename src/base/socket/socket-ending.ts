import { afterPoll } from '../after-poll.ts'
import type { Clock } from '../clock.ts'
import type { ReadPort } from './read-port.ts'
import type { StreamSocket } from './stream-socket.ts'

/** How long the peer has to take what we still write and to answer our FIN with its own. */
const LINGER_MS = 1000

/**
 * Ends a connection that carries nothing: FIN (and close_notify), then a bounded wait for the peer's. Closing
 * at once would answer anything that is still on its way with a reset, which origins log as a failure.
 */
export function endSocket(socket: StreamSocket, port: ReadPort, clock: Clock): void {
  if (socket.destroyed) return
  startLingering(socket, port, clock)
  socket.end()
}

/**
 * The same for a socket that has something to write yet: from now on its time runs. The caller ends it when
 * that is written.
 */
export function startLingering(socket: StreamSocket, port: ReadPort, clock: Clock): void {
  port.attach({ onRead: () => true, onFault: () => socket.destroy() })
  socket.resume()
  const timer = clock.setTimer(LINGER_MS, () => socket.destroy())
  socket.once('close', () => timer.cancel())
}

/** Resolves when the socket is closed; undefined: it is. */
export function whenSocketClosed(socket: StreamSocket): Promise<void> | undefined {
  return socket.closed ? undefined : new Promise(resolve => socket.once('close', resolve))
}

/**
 * Lets the last bytes of a peer be read that closed while we were still sending. Node destroys a socket as
 * soon as a write fails, also when an answer (a 413, say) lies unread in the kernel, which keeps it until it
 * was read. So the destroy() that follows a failed write is deferred by one whole poll. `destroy` is what
 * Node itself calls, on the socket, to end it after an error; there is no option for this (autoDestroy is
 * always on for sockets).
 */
export function drainOnEpipe(socket: StreamSocket, isWaiting: () => boolean): void {
  const destroy = socket.destroy.bind(socket)
  let isPutOff = false
  socket.destroy = error => {
    if (!isFailedWrite(error) || !isWaiting()) return destroy(error)
    if (!isPutOff) {
      isPutOff = true
      afterPoll(() => destroy(error))
    }
    return socket
  }
}

function isFailedWrite(error: Error | undefined): boolean {
  if (error === undefined || !('syscall' in error) || !('code' in error)) return false
  return error.syscall === 'write' && (error.code === 'EPIPE' || error.code === 'ECONNRESET')
}
