import type { NumberRange } from './check-options.ts'

/** What is aimed at with the connections to an origin. */
export interface ObjectiveOptions {
  /**
   * The share of requests that need no new connection (1 - connections made / requests, 0 to 1). Where it is
   * less over `windowMs`, in which there were 100 requests or more, the `objective` event, a line of the log
   * and `middlemile_objective_missed` name the top cause and the option that changes it. 0: none. Default
   * 0.92.
   */
  reuse: number
  /** Over which it is taken. Default 60,000 ms. */
  windowMs: number
}

/** The defaults of `objective`. Durations are in ms. */
export const DEFAULT_OBJECTIVE_OPTIONS: Readonly<ObjectiveOptions> = { reuse: 0.92, windowMs: 60_000 }

/** `windowMs`: the figures are looked at every 5 s, and kept for an hour. */
export const OBJECTIVE_RANGES: Readonly<Record<keyof ObjectiveOptions, NumberRange>> = {
  reuse: { min: 0, max: 1 },
  windowMs: { min: 10_000, max: 3_600_000 },
}
