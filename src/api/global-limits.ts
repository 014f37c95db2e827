import { descriptorLimit, shareDescriptors } from '../base/descriptors.ts'
import { TransportError } from '../base/errors.ts'
import { checkNumbers } from '../base/options/check-options.ts'
import { layered } from '../base/options/options.ts'
import {
  DEFAULT_GLOBAL_LIMITS,
  type GlobalLimits,
  type TransportOptions,
} from '../base/options/transport-options.ts'

/**
 * Of few descriptors connections get a third by default, so that no dial fails for want of one.
 */
export function globalLimits(options: TransportOptions): GlobalLimits {
  const descriptors = descriptorLimit()
  const { maxTotalConnections, maxStalledConnections } = DEFAULT_GLOBAL_LIMITS
  const share = descriptors === undefined ? Infinity : shareDescriptors(descriptors).origins
  const total = options.limits?.maxTotalConnections ?? maxTotalConnections
  const defaults: GlobalLimits = {
    ...DEFAULT_GLOBAL_LIMITS,
    maxTotalConnections: Math.min(maxTotalConnections, share),
    maxStalledConnections: Math.min(maxStalledConnections, Math.max(0, share - total)),
  }
  const limits = checkNumbers('limits', layered(defaults, options.limits))
  for (const name of ['dialShare', 'maxPortShare'] as const) {
    if (limits[name] <= 1) continue
    const message = `limits.${name} must be a number from 0 to 1, not ${limits[name]}`
    throw new TransportError('MM_INVALID_ARGUMENT', message)
  }
  return limits
}
