/** How an origin's requests stand. */
interface OriginPressure {
  /** No connection can be added, and none is being made. */
  readonly isFull: boolean
  /** Requests that wait for a connection. */
  readonly waiters: number
  /** Requests under way. */
  readonly streams: number
  /** Those of them whose clients stall. */
  readonly stalled: number
}

/**
 * How many of the stalled are to make room. None while a connection can still be made: who waits then waits for a handshake, which the end of a
 * stalled one would not shorten.
 */
export function stalledToEnd(
  { isFull, waiters, streams, stalled }: OriginPressure,
  maxStalledShare: number,
): number {
  if (!isFull || maxStalledShare >= 1) return 0
  return Math.min(waiters, Math.max(0, stalled - Math.floor(streams * maxStalledShare)))
}
