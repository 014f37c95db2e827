import { describe, expect, it } from 'vitest'
import { checkHedgeOptions, DEFAULT_HEDGE_OPTIONS } from '../../../../src/base/options/hedge-options.ts'

describe('the options of hedging', () => {
  it('are valid by default, which is off', () => {
    expect(checkHedgeOptions(DEFAULT_HEDGE_OPTIONS).quantile).toBe(0)
  })

  it.each([
    ['quantile', 0.5],
    ['quantile', 1],
    ['minDelayMs', -1],
    ['minSamples', 1],
    ['budgetRatio', 1.5],
    ['budgetRatio', '0.1'],
  ])('are refused where %s is %s', (name, value) => {
    const options = { ...DEFAULT_HEDGE_OPTIONS, [name]: value } as typeof DEFAULT_HEDGE_OPTIONS
    expect(() => checkHedgeOptions(options)).toThrow(`hedge.${name}`)
  })
})
