import { describe, expect, it } from 'vitest'
import { compareWithStored, formatMicroComparison } from '../../../../bench/micro/micro-comparison.ts'
import type { Measurement } from '../../../../src/bench/results/scenario-result.ts'
import { microFile } from './micro-result-of.ts'

/** Six rounds about these figures, the least 2 % below and the most 3 % above. */
function rounds(figures: Measurement, calibrationNs: number): Measurement[] {
  return [0.98, 0.99, 1, 1.01, 1.02, 1.03].map(factor => ({
    ...Object.fromEntries(Object.entries(figures).map(([key, value]) => [key, value * factor])),
    calibrationNs,
  }))
}

const stored = microFile({
  http1: { parse: rounds({ ns: 1000, heapBytes: 500 }, 10_000) },
  pool: { pair: rounds({ ns: 300, heapBytes: 100 }, 10_000) },
})

function verdicts(now: ReturnType<typeof microFile>) {
  return compareWithStored(stored, now, 0.1)?.changes.map(
    ({ suite, metric, verdict }) => `${suite} ${metric}: ${verdict}`,
  )
}

describe('compareWithStored', () => {
  it('finds nothing on a machine at half the speed, where everything takes twice as long', () => {
    const now = microFile({
      http1: { parse: rounds({ ns: 2000, heapBytes: 500 }, 20_000) },
      pool: { pair: rounds({ ns: 600, heapBytes: 100 }, 20_000) },
    })
    expect(verdicts(now)).toEqual([
      'micro/http1 ns: within noise',
      'micro/http1 heapBytes: within noise',
      'micro/pool ns: within noise',
      'micro/pool heapBytes: within noise',
    ])
    expect(compareWithStored(stored, now, 0.1)).toMatchObject({ calibration: 2, drift: 1 })
  })

  it('finds what takes longer, or allocates more, than the speed of the machine explains', () => {
    const now = microFile({
      http1: { parse: rounds({ ns: 2600, heapBytes: 520 }, 20_000) },
      pool: { pair: rounds({ ns: 400, heapBytes: 200 }, 20_000) },
    })
    expect(verdicts(now)).toEqual([
      'micro/http1 ns: regression',
      'micro/http1 heapBytes: within noise',
      'micro/pool ns: improvement',
      'micro/pool heapBytes: regression',
    ])
  })

  it('takes the speed from the suites that both have, and names the cases that are new', () => {
    const now = microFile({
      http1: {
        parse: rounds({ ns: 1000, heapBytes: 500 }, 10_000),
        write: rounds({ ns: 1, heapBytes: 1 }, 10_000),
      },
      hpack: { encode: rounds({ ns: 1, heapBytes: 1 }, 1_000) },
    })
    expect(compareWithStored(stored, now, 0.1)).toMatchObject({
      calibration: 1,
      isNew: ['micro/http1: write', 'micro/hpack: encode'],
    })
  })

  it('refuses another calibration loop, and rounds without one', () => {
    const other = { ...stored, settings: { ...stored.settings, calibration: 0 } }
    expect(compareWithStored(other, stored, 0.1)).toBeUndefined()
    expect(compareWithStored(stored, microFile({ http1: { parse: [{ ns: 1 }] } }), 0.1)).toBeUndefined()
  })
})

describe('formatMicroComparison', () => {
  it('shows a regression with both intervals, and counts the rest', () => {
    const now = microFile({ http1: { parse: rounds({ ns: 1500, heapBytes: 500 }, 10_000) } })
    const lines = formatMicroComparison(compareWithStored(stored, now, 0.1)!, 0.1).split('\n')
    expect(lines.filter(line => line.includes('parse'))).toEqual([
      'micro/http1: parse: ns    1005  980..1030  1508  1470..1545       1.50x',
    ])
    expect(lines.at(-1)).toBe('2 figures: 1 regressions, 0 improvements, 1 within noise')
  })

  it('says what was not judged', () => {
    const now = microFile({
      http1: { parse: rounds({ ns: 1500, heapBytes: 500 }, 10_000).slice(0, 5) },
    })
    expect(formatMicroComparison(compareWithStored(stored, now, 0.1)!, 0.1)).toContain(
      '2 not judged: too few rounds',
    )
  })
})
