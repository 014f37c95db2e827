import { describe, expect, it } from 'vitest'
import { Histogram, MAX_RECORDED_US } from '../../../../src/bench/results/histogram.ts'
import { quantile } from '../../../../src/bench/results/statistics.ts'
import { fc } from '../../../support/property.ts'

const of = (durations: readonly number[]): Histogram => {
  const histogram = new Histogram()
  for (const ms of durations) histogram.record(ms)
  return histogram
}

/** Of any scale alike: evenly drawn from 1 us to 1 h, nearly all of them would be minutes. */
const duration = fc
  .tuple(fc.integer({ min: 0, max: 8 }), fc.double({ min: 0.1, max: 1, noNaN: true }))
  .map(([exponent, mantissa]) => mantissa * 10 ** exponent * 0.036)
const durations = fc.array(duration, { minLength: 1, maxLength: 300 })
const share = fc.double({ min: 0, max: 1, noNaN: true })

describe('Histogram', () => {
  it('reports quantiles that are at most a microsecond or 0.1 % above those of the sorted values, and never below', () => {
    fc.assert(
      fc.property(durations, share, (values, q) => {
        const exact = quantile(values, q)
        const told = of(values).quantile(q)
        expect(told).toBeGreaterThanOrEqual(exact - 1e-6)
        expect(told - exact).toBeLessThanOrEqual(Math.max(0.001, exact * 0.001) + 1e-9)
      }),
    )
  })

  it('is exact for whole microseconds below 2 ms', () => {
    const all = Array.from({ length: 2000 }, (_, i) => (i + 1) / 1000)
    const histogram = of(all)
    const shares = [0, 0.001, 0.25, 0.5, 0.9, 0.99, 0.999, 1]
    expect(shares.map(q => histogram.quantile(q))).toEqual(shares.map(q => quantile(all, q)))
  })

  it('knows count, least, most and mean exactly', () => {
    fc.assert(
      fc.property(durations, values => {
        const histogram = of(values)
        expect(histogram.count).toBe(values.length)
        expect(Math.abs(histogram.minMs - Math.min(...values))).toBeLessThanOrEqual(0.001)
        expect(Math.abs(histogram.maxMs - Math.max(...values))).toBeLessThanOrEqual(0.001)
        const mean = values.reduce((sum, value) => sum + value, 0) / values.length
        expect(histogram.meanMs).toBeCloseTo(mean, 6)
      }),
    )
  })

  it('goes through its record, and through JSON, without losing a count or a quantile', () => {
    fc.assert(
      fc.property(durations, share, (values, q) => {
        const histogram = of(values)
        const record: unknown = JSON.parse(JSON.stringify(histogram.toRecord()))
        expect(record).toEqual(histogram.toRecord())
        const again = Histogram.fromRecord(histogram.toRecord())
        expect(again.toRecord()).toEqual(histogram.toRecord())
        expect(again.quantile(q)).toBe(histogram.quantile(q))
        // What was added is rounded up to a microsecond, and then stands for the middle of its bucket.
        expect(Math.abs(again.meanMs - histogram.meanMs)).toBeLessThanOrEqual(
          0.001 + histogram.meanMs * 0.0005,
        )
      }),
    )
  })

  it('adds another one as if it had counted both', () => {
    fc.assert(
      fc.property(durations, durations, (a, b) => {
        const sum = of(a)
        sum.add(of(b).toRecord())
        expect(sum.toRecord()).toEqual(of([...a, ...b]).toRecord())
      }),
    )
  })

  it('keeps its buckets sparse and ascending, each by its middle', () => {
    // From 2.048 ms on a bucket is two microseconds wide, from 4.096 ms on four.
    expect(of([4.097, 0.003, 2.049, 2.048, 0.003]).toRecord()).toEqual({
      buckets: [
        [3, 2],
        [2049, 2],
        [4098, 1],
      ],
      count: 5,
      minUs: 3,
      maxUs: 4097,
    })
  })

  it('counts a fraction of a microsecond as a whole one, and nothing as nothing', () => {
    expect(of([0.0001, 1.0001]).toRecord().buckets).toEqual([
      [1, 1],
      [1001, 1],
    ])
    // 2.007 times 1000 is a little more than whole.
    expect(2.007 * 1000).toBeGreaterThan(2007)
    expect(of([2.007]).maxMs).toBe(2.007)
    expect(of([0, 0]).quantile(0.5)).toBe(0)
  })

  it('counts what is longer than an hour as an hour, and says so', () => {
    const histogram = of([1, 3_600_000, 3_600_001, Number.POSITIVE_INFINITY])
    expect(histogram.quantile(1)).toBe(MAX_RECORDED_US / 1000)
    expect([histogram.count, histogram.aboveMaximum]).toEqual([4, 2])
    expect(histogram.toRecord().aboveMaximum).toBe(2)
    expect(Histogram.fromRecord(histogram.toRecord()).aboveMaximum).toBe(2)
    expect(of([1]).toRecord()).not.toHaveProperty('aboveMaximum')
  })

  it('refuses a value that is no duration', () => {
    for (const ms of [-0.001, Number.NaN]) expect(() => of([ms])).toThrow(RangeError)
  })

  it('reports nothing while it is empty', () => {
    const histogram = new Histogram()
    histogram.add(new Histogram().toRecord())
    expect([
      histogram.quantile(0.5),
      histogram.minMs,
      histogram.maxMs,
      histogram.meanMs,
      histogram.count,
    ]).toEqual([Number.NaN, Number.NaN, Number.NaN, Number.NaN, 0])
    expect(histogram.toRecord()).toEqual({ buckets: [], count: 0, minUs: 0, maxUs: 0 })
  })
})
