import { describe, expect, it } from 'vitest'
import { DURATION_BUCKETS_SECONDS, DurationHistogram } from '../../../../src/service/metrics/metric-types.ts'
import { fc } from '../../../support/property.ts'

describe('DurationHistogram', () => {
  it('puts a duration into every bucket whose bound it does not exceed', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 100_000, noNaN: true })), durations => {
        const histogram = new DurationHistogram()
        for (const duration of durations) histogram.observe(duration)
        const buckets = histogram.cumulative()
        expect(buckets).toHaveLength(DURATION_BUCKETS_SECONDS.length + 1)
        for (const { upTo, count } of buckets) {
          const bound = upTo === '+Inf' ? Number.POSITIVE_INFINITY : upTo * 1000
          expect(count).toBe(durations.filter(duration => duration <= bound).length)
        }
        expect(histogram.count).toBe(durations.length)
        expect(histogram.sumSeconds).toBeCloseTo(
          durations.reduce((sum, duration) => sum + duration, 0) / 1000,
          6,
        )
      }),
    )
  })
})
