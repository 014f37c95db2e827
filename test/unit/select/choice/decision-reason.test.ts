import { describe, expect, it } from 'vitest'
import { age, ms, percent, rate, times } from '../../../../src/select/choice/decision-reason.ts'

describe('a figure in a reason', () => {
  it.each([
    [0, '0.00 ms'],
    [0.0123, '0.012 ms'],
    [0.123, '0.12 ms'],
    [9.876, '9.88 ms'],
    [42.13, '42.1 ms'],
    [1234.5, '1235 ms'],
  ])('is human-readable for %d ms', (value, text) => expect(ms(value)).toBe(text))

  it.each([
    [0, '0 %'],
    [0.0004, '0.04 %'],
    [0.0123, '1.2 %'],
    [0.423, '42 %'],
  ])('is human-readable for a share of %d', (value, text) => expect(percent(value)).toBe(text))

  it.each([
    [-5, '0.0 s'],
    [3_210, '3.2 s'],
    [65_000, '65 s'],
    [600_000, '10 min'],
    [7_200_000, '2 h'],
  ])('is human-readable for an age of %d ms', (value, text) => expect(age(value)).toBe(text))

  it('is human-readable for ratios and rates', () => {
    expect([times(1.26), times(45.4)]).toEqual(['1.3', '45'])
    expect([rate(12_340_000), rate(56_700)]).toEqual(['12.3 MB/s', '56.7 kB/s'])
  })
})
