import { describe, expect, it } from 'vitest'
import { normalizeRound, referenceOf } from '../../../../bench/micro/micro-metrics.ts'
import { microResult } from './micro-result-of.ts'

describe('normalizeRound', () => {
  it('scales times to the speed of the reference, rates inversely, and leaves bytes as they are', () => {
    const round = {
      ns: 200,
      p50Ns: 220,
      p99Ns: 900,
      cpuNs: 240,
      heapBytes: 48,
      megabytesPerSecond: 10,
      calibrationNs: 20_000,
    }
    expect(normalizeRound(round, 10_000)).toEqual({
      ns: 100,
      p50Ns: 110,
      p99Ns: 450,
      cpuNs: 120,
      heapBytes: 48,
      megabytesPerSecond: 20,
      calibrationNs: 20_000,
    })
  })

  it.each([undefined, 0])('leaves out the times of a round whose calibration is %s', calibrationNs => {
    const round = {
      ns: 200,
      megabytesPerSecond: 10,
      heapBytes: 48,
      ...(calibrationNs !== undefined && { calibrationNs }),
    }
    expect(normalizeRound(round, 10_000)).toEqual({
      heapBytes: 48,
      ...(calibrationNs !== undefined && { calibrationNs }),
    })
  })
})

describe('referenceOf', () => {
  it('is the calibration of the quickest tenth of all rounds, over all suites', () => {
    const calibrations = Array.from({ length: 10 }, (_, i) => ({ ns: 1, calibrationNs: 100 + i }))
    const results = [microResult('a', { one: calibrations }), microResult('b', { two: [{ ns: 1 }] })]
    expect(referenceOf(results)).toBe(100)
  })

  it('is NaN where no round has one', () => {
    expect(referenceOf([microResult('a', { one: [{ ns: 1 }] })])).toBeNaN()
  })
})
