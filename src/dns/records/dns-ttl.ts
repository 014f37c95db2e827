/** An answer that may not be kept at all is kept so long: else each connection would ask again. */
const MIN_TTL_SECONDS = 1
/** Nothing is believed for longer without asking again. */
const MAX_TTL_SECONDS = 86_400

/**
 * How long an answer is kept, in seconds: the shortest of the times to live along its way, between a second
 * and a day.
 */
export function boundedTtlSeconds(...ttlSeconds: readonly number[]): number {
  return Math.max(MIN_TTL_SECONDS, Math.min(MAX_TTL_SECONDS, ...ttlSeconds))
}
