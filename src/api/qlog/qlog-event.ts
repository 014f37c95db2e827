/**
 * One event of a trace (draft-ietf-quic-qlog-main-schema, section 7). Field names are lower case in JSON text
 * sequences (its section 11.2).
 */
export interface QlogEvent {
  /**
   * Milliseconds since the trace began. Attempts are reported when their dial has ended, so that times may go
   * back: tools sort by them.
   */
  readonly time: number
  /** `namespace:event`. */
  readonly name: `hev3:${string}` | `middlemile:${string}` | `loglevel:${string}`
  /** The origin's key, so that one file holds many origins. */
  readonly group_id?: string
  readonly data: Readonly<Record<string, unknown>>
}

/** Microseconds are as fine as the clock means anything. */
export function roundedMs(ms: number): number {
  return Math.round(ms * 1_000) / 1_000
}
