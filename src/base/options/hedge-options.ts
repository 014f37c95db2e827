import { TransportError } from '../errors.ts'
import type { NumberRange } from './check-options.ts'

/**
 * When a second copy of a request is sent that is slow to be answered, so that few callers wait for the
 * slowest answers (Dean and Barroso, "The Tail at Scale", 2013). Only requests with a safe method and
 * without a body are.
 */
export interface HedgeOptions {
  /**
   * The copy is sent when no answer has begun after this quantile of what answers took of late, and goes to
   * another endpoint where there are several: 0.95, for one. 0: none is. Default 0.
   */
  quantile: number
  /** Not before this, however fast answers are. Default 5 ms. */
  minDelayMs: number
  /**
   * Answers of the last half to whole minute that the quantile is found of; before them no copy is sent.
   * Default 100.
   */
  minSamples: number
  /**
   * Copies for each request (0 to 1). What was not used is kept for up to 100 copies, and one within 10 s
   * is always there. Default 0.05.
   */
  budgetRatio: number
}

/** The defaults of `hedge`. Durations are in ms. */
export const DEFAULT_HEDGE_OPTIONS: Readonly<HedgeOptions> = {
  quantile: 0,
  minDelayMs: 5,
  minSamples: 100,
  budgetRatio: 0.05,
}

/**
 * What each option of `hedge` may be. A lower quantile would take endpoints that are only slower than
 * others for such as give no answer.
 */
export const HEDGE_RANGES: Readonly<Record<keyof HedgeOptions, NumberRange>> = {
  quantile: { min: 0.9, max: 0.9999, orZero: true },
  minDelayMs: { min: 0, max: 600_000 },
  minSamples: { min: 10, max: 1_000_000 },
  budgetRatio: { min: 0, max: 1 },
}

/** The options as they are. Throws MM_INVALID_ARGUMENT, naming the field. */
export function checkHedgeOptions(options: HedgeOptions): HedgeOptions {
  for (const [name, { min, max, orZero }] of Object.entries(HEDGE_RANGES)) {
    const value: unknown = options[name as keyof HedgeOptions] // its keys
    if (typeof value === 'number' && ((value >= min && value <= max) || (orZero && value === 0))) continue
    const message = `hedge.${name} must be ${orZero ? '0 or ' : ''}a number from ${min} to ${max}, not ${String(value)}`
    throw new TransportError('MM_INVALID_ARGUMENT', message)
  }
  return options
}
