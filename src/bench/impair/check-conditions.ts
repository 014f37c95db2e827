import type { Conditions } from './conditions.ts'

/**
 * Throws a RangeError that names the first field which no path can have: a wrong figure would make a wrong
 * result, and say nothing.
 */
export function checkConditions(conditions: Conditions): void {
  const { bursts } = conditions
  const shares = {
    lossRate: conditions.lossRate,
    reorderRate: conditions.reorderRate,
    duplicateRate: conditions.duplicateRate,
    'bursts.enterRate': bursts?.enterRate,
    'bursts.leaveRate': bursts?.leaveRate,
    'bursts.lossRate': bursts?.lossRate,
  }
  for (const [name, share] of Object.entries(shares)) {
    if (share !== undefined && !(share >= 0 && share <= 1)) {
      throw new RangeError(`${name} is a share, from 0 to 1, not ${share}`)
    }
  }
  const { delayMs, jitterMs, reorderDelayMs } = conditions
  for (const [name, ms] of Object.entries({ delayMs, jitterMs, reorderDelayMs })) {
    if (ms !== undefined && !(ms >= 0 && ms < Number.POSITIVE_INFINITY)) {
      throw new RangeError(`${name} is a time in milliseconds, not ${ms}`)
    }
  }
  const { bytesPerSecond, queueBytes } = conditions
  for (const [name, bytes] of Object.entries({ bytesPerSecond, queueBytes })) {
    if (bytes !== undefined && !(bytes > 0)) throw new RangeError(`${name} is more than 0, not ${bytes}`)
  }
}
