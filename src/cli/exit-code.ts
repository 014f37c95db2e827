/** What the exit code says. */
export const EXIT = {
  /** All responses came, whatever their status. */
  ok: 0,
  /** Some request failed. */
  failed: 1,
  /** Bad usage, or a bad configuration. */
  usage: 2,
  /** The process could not start. */
  cannotStart: 3,
} as const
