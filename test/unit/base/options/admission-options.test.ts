import { describe, expect, it } from 'vitest'
import {
  checkBreakerOptions,
  checkConcurrencyOptions,
  DEFAULT_BREAKER_OPTIONS,
  DEFAULT_CONCURRENCY_OPTIONS,
} from '../../../../src/base/options/admission-options.ts'

describe('the options of breakers', () => {
  it('must be whole numbers that are not negative', () => {
    expect(checkBreakerOptions(DEFAULT_BREAKER_OPTIONS)).toBe(DEFAULT_BREAKER_OPTIONS)
    for (const maxRequests of [-1, 1.5, Number.NaN])
      expect(() => checkBreakerOptions({ ...DEFAULT_BREAKER_OPTIONS, maxRequests })).toThrow(
        /breakers\.maxRequests/,
      )
  })
})

describe('the options of concurrency', () => {
  it.each([
    ['limit', 'vegas'],
    ['initial', 0],
    ['windowMs', 1],
    ['minSamples', 2.5],
    ['tolerance', 0.5],
    ['tolerance', '2'],
  ])('are refused where %s is %s', (name, value) => {
    const options = { ...DEFAULT_CONCURRENCY_OPTIONS, [name]: value }
    expect(() => checkConcurrencyOptions(options)).toThrow(new RegExp(`concurrency\\.${name}`))
  })

  it('take a tolerance that is a fraction', () => {
    expect(checkConcurrencyOptions({ ...DEFAULT_CONCURRENCY_OPTIONS, tolerance: 1.25 }).tolerance).toBe(1.25)
  })
})
