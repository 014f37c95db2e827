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
  /** The process has met too many defects (`shutdown.maxFaults`), and ended itself: start it again. */
  faults: 4,
} as const
