import type { PathStats } from '../../base/events/path-stats.ts'
import type { TcpInfo } from '../native/tcp-info.ts'

/** [P] What the kernel knows of a TCP connection, in the words that QUIC's figures have. */
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
