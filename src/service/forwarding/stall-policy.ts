/** How an origin's requests stand. */
interface OriginPressure {
  /** No connection can be added, and none is being made. */
  readonly isFull: boolean
  /** Requests that wait for a connection. */
  readonly waiters: number
  /** Requests under way. */
  readonly streams: number
  /** Those of them whose clients stall. */
  readonly stalledReaders: number
  /**
   * Connections that stalled readers hold without a part in the limits. The end of one helps only if another
   * one takes its place.
   */
  readonly stalled: number
}

/**
 * How many of the stalled are to make room. None while a connection can still be made: who waits then waits
 * for a handshake, which the end of a stalled one would not shorten.
 */
export function stalledToEnd(
  { isFull, waiters, streams, stalledReaders, stalled }: OriginPressure,
  maxStalledShare: number,
): number {
  if (!isFull || maxStalledShare >= 1) return 0
  const stays = Math.floor((streams - stalled) * maxStalledShare)
  return Math.min(waiters, Math.max(0, stalledReaders - stalled - stays))
}
