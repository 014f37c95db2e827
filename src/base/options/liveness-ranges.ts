import { checkRanges, type OptionRanges } from './option-ranges.ts'
import type { LivenessOptions } from './protocol-options.ts'

/** Node's timers overflow above it. */
const MAX_MS = 2 ** 31 - 1

/** What each `liveness` option may be; all are whole numbers. */
export const LIVENESS_RANGES: Required<OptionRanges<LivenessOptions>> = {
  intervalMs: { min: 0, max: MAX_MS },
  timeoutMs: { min: 0, max: MAX_MS },
  idleIntervalMs: { min: 0, max: MAX_MS },
  quietIntervalMs: { min: 0, max: MAX_MS },
}

/** The options as they are. Throws MM_INVALID_ARGUMENT, naming the field as `liveness.FIELD`. */
export function checkLivenessOptions(options: LivenessOptions): LivenessOptions {
  return checkRanges('liveness', options, LIVENESS_RANGES)
}
