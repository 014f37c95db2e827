import type { PathStats } from '../../base/events/connection.ts'
import { descriptorOf, type StreamSocket } from '../../base/socket/stream-socket.ts'
import { type LoadedSocketCalls, socketCalls } from '../native/socket-calls.ts'
import type { TcpInfo } from '../native/tcp-info.ts'

/** What the kernel knows of a TCP connection, in the words that QUIC's figures have. */
export function tcpPathStats(info: TcpInfo): PathStats {
  return {
    rttMs: info.rttMs,
    // Before the first measurement it is what no window can hold: all ones.
    minRttMs: info.minRttMs === 0 || info.minRttMs >= NEVER_MS ? undefined : info.minRttMs,
    sentPackets: info.sentDataSegments,
    // A tail loss probe (RFC 8985 7) sends the last segment again on suspicion; where the peer had it, it
    // says so.
    lostPackets: Math.max(0, info.retransmittedSegments - info.duplicateSegments),
    receivedPackets: info.receivedSegments,
    outOfOrderPackets: info.outOfOrderSegments,
    sentBytes: info.sentBytes,
    receivedBytes: info.receivedBytes,
    congestionWindowBytes: info.congestionWindowSegments * info.segmentBytes,
    deliveryBytesPerSecond: info.deliveryBytesPerSecond === 0 ? undefined : info.deliveryBytesPerSecond,
  }
}

/** ~0U microseconds, the kernel's word for "no measurement" in a minimum. */
const NEVER_MS = (2 ** 32 - 1) / 1000

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
