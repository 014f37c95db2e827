import { describe, expect, it } from 'vitest'
import { Estimate, HALF_LIFE_MS } from '../../../../src/select/choice/estimate.ts'

function estimateOf(values: readonly number[], stepMs = 1): Estimate {
  const estimate = new Estimate()
  for (const [index, value] of values.entries()) estimate.add(value, index * stepMs)
  return estimate
}

const steady = (count: number, low = 38, high = 42): number[] =>
  Array.from({ length: count }, (_, index) => (index % 2 === 0 ? low : high))

describe('an estimate', () => {
  it('is the plain mean of the first samples, with their deviation', () => {
    const estimate = estimateOf([10, 20, 30, 40])
    expect(estimate.mean).toBeCloseTo(25)
    expect(estimate.deviation).toBeCloseTo(Math.sqrt(125))
    expect(estimate.samples).toBe(4)
    expect(estimate.at).toBe(3)
  })

  it('is unknown before the first sample', () => {
    const estimate = new Estimate()
    expect([estimate.mean, estimate.samples, estimate.weightAt(5)]).toEqual([0, 0, 0])
    expect(estimate.errorAt(5)).toBe(Infinity)
  })

  it('counts for no more than twice what it remembers', () => {
    expect(estimateOf(steady(500)).weightAt(500)).toBe(63)
    const short = new Estimate({ memory: 8 })
    for (const value of steady(500)) short.add(value, 0)
    expect(short.weightAt(0)).toBe(15)
  })

  it('becomes more certain with more samples, and less certain with more variance', () => {
    const few = estimateOf(steady(8)).errorAt(8)
    const many = estimateOf(steady(32)).errorAt(32)
    const wild = estimateOf(steady(32, 10, 70)).errorAt(32)
    expect(many).toBeLessThan(few / 2)
    expect(wild).toBeGreaterThan(many * 4)
  })

  it('does not treat two equal samples as certainty', () => {
    expect(estimateOf([40, 40]).errorAt(2)).toBeGreaterThan(40 * 0.1)
  })

  it('fades by half in a half-life, so that new samples outweigh old ones', () => {
    const estimate = estimateOf(steady(32))
    const fresh = estimate.weightAt(32)
    expect(estimate.weightAt(31 + HALF_LIFE_MS)).toBeCloseTo(fresh / 2)
    expect(estimate.errorAt(31 + HALF_LIFE_MS)).toBeGreaterThan(estimate.errorAt(32))
    estimate.add(400, 31 + 8 * HALF_LIFE_MS)
    expect(estimate.mean).toBeGreaterThan(350)
  })

  it('follows a change within ten samples', () => {
    const estimate = estimateOf([...steady(200), ...steady(10, 390, 410)])
    expect(estimate.mean).toBeGreaterThan(320)
  })

  it('does not treat single outliers as a change', () => {
    const values = steady(200).map((value, index) => (index % 20 === 19 ? 400 : value))
    const estimate = new Estimate()
    let least = Infinity
    for (const [index, value] of values.entries()) {
      estimate.add(value, index)
      if (index > 100) least = Math.min(least, estimate.weightAt(index))
    }
    expect(least).toBe(63)
    expect(estimate.mean).toBeGreaterThan(45)
    expect(estimate.mean).toBeLessThan(75)
  })

  it('gives less weight to a sample with a share, unless it is the only one', () => {
    const estimate = new Estimate()
    estimate.add(100, 0, 0.25)
    expect(estimate.mean).toBe(100)
    estimate.add(40, 1)
    expect(estimate.mean).toBeCloseTo(52)
    expect(estimate.weightAt(1)).toBe(1.25)
  })

  it('is restored from its record unchanged, but older by the time between', () => {
    const estimate = estimateOf(steady(40))
    const record = estimate.record(1_000)
    const back = new Estimate()
    expect(back.restore(JSON.parse(JSON.stringify(record)), 5_000_000, HALF_LIFE_MS)).toBe(true)
    expect(back.mean).toBeCloseTo(estimate.mean, 1)
    expect(back.deviation).toBeCloseTo(estimate.deviation, 2)
    expect(back.samples).toBe(40)
    expect(back.weightAt(5_000_000)).toBeCloseTo(estimate.weightAt(1_000) / 2, 0)
  })

  it.each([
    [undefined],
    ['40'],
    [[1, 2, 3, 4]],
    [[1, 2, 3, 4, -5]],
    [[1, 2, 3, 4, 'five']],
    [[Number.NaN, 2, 3, 4, 5]],
    [[1e13, 2, 3, 4, 5]],
  ])('restores nothing from a damaged record: %j', damaged => {
    const estimate = estimateOf([10, 20])
    expect(estimate.restore(damaged, 0, 0)).toBe(false)
    expect(estimate.mean).toBe(15)
  })

  it('forgets everything on request', () => {
    const estimate = estimateOf(steady(20))
    estimate.forget()
    expect([estimate.mean, estimate.deviation, estimate.samples, estimate.weightAt(20)]).toEqual([0, 0, 0, 0])
  })

  it('gives way to new samples when it fades', () => {
    const estimate = new Estimate()
    for (let index = 0; index < 10; index += 1) estimate.add(100, index)
    estimate.fade(1.5)
    expect([estimate.mean, estimate.weightAt(10), estimate.samples]).toEqual([100, 1.5, 10])
    estimate.add(0, 11)
    expect(estimate.mean).toBeCloseTo(60)
    estimate.fade(5)
    expect(estimate.weightAt(12)).toBe(2.5)
  })
})
