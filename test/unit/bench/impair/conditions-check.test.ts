import { describe, expect, it } from 'vitest'
import { checkConditions } from '../../../../src/bench/impair/conditions.ts'

describe('checkConditions', () => {
  it('accepts what a path can do', () => {
    const bursts = { enterRate: 0, leaveRate: 1, lossRate: 0.5 }
    expect(() => checkConditions({})).not.toThrow()
    expect(() => checkConditions({ delayMs: 0, lossRate: 1, bytesPerSecond: 1, bursts })).not.toThrow()
  })

  it.each([
    [{ lossRate: 1.5 }, 'lossRate'],
    [{ lossRate: Number.NaN }, 'lossRate'],
    [{ duplicateRate: -0.1 }, 'duplicateRate'],
    [{ bursts: { enterRate: 2, leaveRate: 1 } }, 'bursts.enterRate'],
    [{ delayMs: -1 }, 'delayMs'],
    [{ jitterMs: Number.POSITIVE_INFINITY }, 'jitterMs'],
    [{ bytesPerSecond: 0 }, 'bytesPerSecond'],
    [{ queueBytes: Number.NaN }, 'queueBytes'],
  ])('refuses %o and names the field', (conditions, name) => {
    expect(() => checkConditions(conditions)).toThrow(new RegExp(`^${name} `))
  })
})
