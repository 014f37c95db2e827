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
