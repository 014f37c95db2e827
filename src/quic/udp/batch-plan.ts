/**
 * What the kernel cuts up for us at once (UDP_MAX_SEGMENTS of Linux 4.18; 128 since 6.9), and how many bytes
 * that may be: the length of an IP packet has 16 bits, headers included.
 */
export const MAX_SEGMENTS = 64
export const MAX_MESSAGE_BYTES = 65_000

/** Datagrams that wait to leave, one behind the other in memory. */
export interface QueuedDatagrams {
  readonly count: number
  lengthAt(index: number): number
  /** Equal: they go to the same place, from the same place, with the same mark. */
  routeAt(index: number): number
}

/** One message of sendmmsg(2): datagrams of one route, all but the last of one size. */
export interface PlannedMessage {
  count: number
  bytes: number
  /** 0: it is one datagram, which needs no segmentation. */
  segmentBytes: number
}

/**
 * The message that begins with datagram `first`. Segmentation offload wants all segments but the last to be
 * of one size, so that a message ends behind a shorter one, and before a longer one.
 */
export function planMessage(
  queued: QueuedDatagrams,
  first: number,
  isSegmenting: boolean,
  into: PlannedMessage,
): void {
  const size = queued.lengthAt(first)
  const route = queued.routeAt(first)
  let count = 1
  let bytes = size
  const limit = isSegmenting ? Math.min(MAX_SEGMENTS, queued.count - first) : 1
  while (count < limit) {
    const next = first + count
    const length = queued.lengthAt(next)
    if (length > size || bytes + length > MAX_MESSAGE_BYTES || queued.routeAt(next) !== route) break
    count += 1
    bytes += length
    if (length < size) break
  }
  into.count = count
  into.bytes = bytes
  into.segmentBytes = count === 1 ? 0 : size
}
