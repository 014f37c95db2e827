import { describe, expect, it } from 'vitest'
import { CpuShares } from '../../../../src/select/choice/cpu-share.ts'

describe('the CPU of a lane', () => {
  it('is that of a window in which it had nearly all exchanges', () => {
    const shares = new CpuShares()
    expect(shares.onReading(1_000, { tcp: 50 })).toBeUndefined()
    expect(shares.onReading(1_010, { tcp: 95, h3: 5 })).toEqual({ lane: 'tcp', cpuMs: 0.1 })
    expect(shares.onReading(1_050, { h3: 40 })).toEqual({ lane: 'h3', cpuMs: 1 })
  })

  it('is not known from a window that lanes shared, that had few exchanges, or none', () => {
    const shares = new CpuShares()
    shares.onReading(0, {})
    expect(shares.onReading(10, { tcp: 89, h3: 11 })).toBeUndefined()
    expect(shares.onReading(20, { tcp: 19 })).toBeUndefined()
    expect(shares.onReading(30, {})).toBeUndefined()
    expect(shares.onReading(30, { tcp: 100 })).toBeUndefined()
    // The CPU of windows that said nothing is not added to the next one.
    expect(shares.onReading(32, { tcp: 20 })).toEqual({ lane: 'tcp', cpuMs: 0.1 })
  })
})
