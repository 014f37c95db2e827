import { afterPoll } from '../after-poll.ts'
import type { StreamSocket } from './stream-socket.ts'

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
