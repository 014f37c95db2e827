import type { PathStats } from '../../base/events/path-stats.ts'
import { descriptorOf, type StreamSocket } from '../../base/socket/stream-socket.ts'
import { type LoadedSocketCalls, socketCalls } from '../native/socket-calls.ts'
import { tcpPathStats } from './tcp-path-stats.ts'

/**
 * What the kernel has measured on the way of a socket of Node's, TLS or not; one system call. Undefined:
 * native calls cannot be made here, or the socket has no descriptor, since it is closed or none of Node's
 * (hand over the one below, then).
 */
export function pathOfSocket(
  socket: StreamSocket,
  loaded: LoadedSocketCalls = socketCalls(),
): PathStats | undefined {
  if ('unavailable' in loaded) return undefined
  // Each time anew: the number of a closed socket is soon another one's.
  const fd = descriptorOf(socket)
  const info = fd === undefined ? undefined : loaded.calls.tcpInfo(fd)
  return info === undefined ? undefined : tcpPathStats(info)
}
