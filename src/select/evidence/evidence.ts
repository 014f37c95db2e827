/** Something that was seen: what, when, how we know, and until when we believe it. */
export interface Evidence<T> {
  readonly value: T
  /** On the caller's monotonic clock, as `expiresAt`. */
  readonly at: number
  readonly source: string
  readonly expiresAt: number
}

/** Something known, for people: `explain` prints it. */
export interface KnownFact {
  readonly fact: string
  readonly evidence: string
}

/** How much a new sample moves an average: as TCP's smoothed RTT (RFC 6298 section 2). */
const EWMA_WEIGHT = 1 / 8
/** What a peer or an error wrote is kept for people, not for the record. */
const MAX_SOURCE_CHARS = 200

/** The average with one more sample, weighted towards the present. */
export function average(before: Evidence<number> | undefined, sample: number): number {
  return before === undefined ? sample : before.value + EWMA_WEIGHT * (sample - before.value)
}

/** So much of a text as is kept of it. */
export function brief(text: string): string {
  return text.length <= MAX_SOURCE_CHARS ? text : `${text.slice(0, MAX_SOURCE_CHARS - 1)}…`
}

/** How long ago, in the largest unit that fits. */
export function age(ms: number): string {
  return ms < 1000 ? 'just now' : `${span(ms)} ago`
}

/** A duration in the largest unit that fits, rounded down; under a second in ms. */
export function span(ms: number): string {
  if (ms < 1000) return `${Math.max(0, Math.floor(ms))} ms`
  if (ms < 60_000) return `${Math.floor(ms / 1000)} s`
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)} min`
  return `${Math.floor(ms / 3_600_000)} h`
}
