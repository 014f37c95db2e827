import { describe, expect, it } from 'vitest'
import {
  percentileCurve,
  recordedQuantile,
} from '../../../../../src/bench/report/html/charts/percentile-chart.ts'
import { Histogram } from '../../../../../src/bench/results/histogram.ts'
import { fc } from '../../../../support/property.ts'

function recordOf(values: readonly number[]) {
  const histogram = new Histogram()
  for (const value of values) histogram.record(value)
  return histogram.toRecord()
}

describe('recordedQuantile', () => {
  it('is a value that was recorded, to a thousandth', () => {
    const record = recordOf(Array.from({ length: 1_000 }, (_, i) => i + 1))
    expect(recordedQuantile(record, 0.5)).toBeCloseTo(500, -0.5)
    expect(recordedQuantile(record, 0.99)).toBeCloseTo(990, -0.5)
    expect(recordedQuantile(record, 0.999)).toBeCloseTo(999, -0.5)
  })

  it('reports no quantile where no value lies beyond', () => {
    const record = recordOf(Array.from({ length: 99 }, (_, i) => i + 1))
    expect(recordedQuantile(record, 0.99)).toBeUndefined()
    expect(recordedQuantile(record, 0.9)).toBeCloseTo(90, 0)
    expect(recordedQuantile(recordOf([]), 0.5)).toBeUndefined()
  })
})

describe('percentileCurve', () => {
  it('rises from the fastest to the slowest value, which is the last one left', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0.001, max: 1e6, noNaN: true }), { minLength: 2, maxLength: 300 }),
        values => {
          const curve = percentileCurve(recordOf(values))
          const [first, last] = [curve[0], curve.at(-1)]
          expect(first?.share).toBe(0)
          expect(last?.share).toBeCloseTo(1 - 1 / values.length, 9)
          expect(last?.ms).toBeGreaterThan(Math.max(...values) * 0.998)
          for (const [i, { share, ms }] of curve.slice(1).entries()) {
            expect(share).toBeGreaterThanOrEqual(curve[i]?.share ?? 0)
            expect(ms).toBeGreaterThanOrEqual(curve[i]?.ms ?? 0)
          }
        },
      ),
    )
  })

  it('stays short for a long record', () => {
    const record = recordOf(Array.from({ length: 100_000 }, (_, i) => 10 + i / 100))
    expect(record.buckets.length).toBeGreaterThan(4_000)
    expect(percentileCurve(record).length).toBeLessThan(2_600)
  })

  it('passes over invalid buckets', () => {
    const record = {
      buckets: [
        [1, Number.NaN],
        [-5, 2],
        [1_000, 2],
      ] as const,
      count: 2,
      minUs: 1,
      maxUs: 1_000,
    }
    expect(percentileCurve(record)).toEqual([
      { share: 0, ms: 1 },
      { share: 0.5, ms: 1 },
    ])
  })
})
