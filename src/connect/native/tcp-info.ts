/**
 * What the kernel knows of a TCP connection: `struct tcp_info` of linux/tcp.h, in our units. Fields that an
 * old kernel leaves out are 0.
 */
export interface TcpInfo {
  /** TCP_ESTABLISHED is 1, TCP_SYN_SENT 2. */
  readonly state: number
  /** The data of our SYN was acknowledged by the SYN-ACK (TCPI_OPT_SYN_DATA). */
  readonly isSynDataAcked: boolean
  /** tcpi_fastopen_client_fail: why Fast Open did not go as hoped. 0: it did, or was not tried. */
  readonly fastOpenFailure: FastOpenFailure
  readonly rttMs: number
  /** The shortest in the kernel's window of minutes. */
  readonly minRttMs: number
  readonly congestionWindowSegments: number
  /** What a segment that we send carries at the most. */
  readonly segmentBytes: number
  /** With data. */
  readonly sentDataSegments: number
  readonly receivedSegments: number
  readonly retransmittedSegments: number
  /** Those of them that the peer had already, as it says (DSACK, RFC 2883): nothing was lost. */
  readonly duplicateSegments: number
  /** Of the stream, with what was sent again. */
  readonly sentBytes: number
  readonly retransmittedBytes: number
  readonly receivedBytes: number
  /** 0: not measured yet. */
  readonly deliveryBytesPerSecond: number
  /** Packets that came out of order: what a receiver sees of loss. */
  readonly outOfOrderSegments: number
  /** Sent, and not acknowledged yet. */
  readonly unackedSegments: number
  /** Probes since the last proof of liveness: of a closed window, or of keepalive. */
  readonly unansweredProbes: number
  /** How long ago the last segment came, with data or without; in jiffies, so that it is some ms off. */
  readonly sinceHeardMs: number
}

/**
 * enum tcp_fastopen_client_fail: none; 1 no cookie was at hand, one is asked for; 2 the data was not taken; 3
 * the SYN had to be sent again.
 */
type FastOpenFailure = 0 | 1 | 2 | 3

/** Reads as far as the kernel wrote. Undefined when these bytes are too few to be it. */
export function parseTcpInfo(bytes: Buffer): TcpInfo | undefined {
  if (bytes.length < 104) return undefined
  const u32 = (at: number): number => (at + 4 <= bytes.length ? bytes.readUInt32LE(at) : 0)
  const u64 = (at: number): number => (at + 8 <= bytes.length ? Number(bytes.readBigUInt64LE(at)) : 0)
  return {
    state: bytes.readUInt8(0),
    isSynDataAcked: (bytes.readUInt8(5) & 32) !== 0,
    fastOpenFailure: ((bytes.readUInt8(7) >> 1) & 3) as FastOpenFailure, // two bits
    rttMs: u32(68) / 1000,
    minRttMs: u32(148) / 1000,
    congestionWindowSegments: u32(80),
    segmentBytes: u32(16),
    sentDataSegments: u32(156),
    receivedSegments: u32(140),
    retransmittedSegments: u32(100),
    duplicateSegments: u32(216),
    sentBytes: u64(200),
    retransmittedBytes: u64(208),
    receivedBytes: u64(128),
    deliveryBytesPerSecond: u64(160),
    outOfOrderSegments: u32(224),
    unackedSegments: u32(24),
    unansweredProbes: bytes.readUInt8(3),
    // The last data and the last acknowledgement: the fast path of Linux leaves the time of the latter alone
    // when data comes that acknowledges nothing new.
    sinceHeardMs: Math.min(u32(52), u32(56)),
  }
}
