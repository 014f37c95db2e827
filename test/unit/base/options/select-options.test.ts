import { describe, expect, it } from 'vitest'
import {
  checkSelectOptions,
  DEFAULT_SELECT_OPTIONS,
  SELECT_RANGES,
  SELECT_WORDS,
  type SelectOptions,
} from '../../../../src/base/options/select-options.ts'

type Numeric = keyof typeof SELECT_RANGES

/** What is compared with another option goes with it. */
const with_ = (name: string, value: unknown): SelectOptions => {
  const partners: Record<string, Partial<SelectOptions>> = {
    joinDelayMinMs: { joinDelayMaxMs: 60_000 },
    joinDelayMaxMs: { joinDelayMinMs: 0 },
    brokenBaseMs: { brokenMaxMs: 2_592_000_000 },
    brokenMaxMs: { brokenBaseMs: 1 },
  }
  return { ...DEFAULT_SELECT_OPTIONS, ...partners[name], [name]: value }
}
const fault = (options: SelectOptions): string | undefined => {
  try {
    checkSelectOptions(options)
    return undefined
  } catch (error) {
    expect(error).toMatchObject({ code: 'MM_INVALID_ARGUMENT' })
    return (error as Error).message
  }
}

describe('the select options', () => {
  it('are valid by default, and returned unchanged', () => {
    expect(checkSelectOptions(DEFAULT_SELECT_OPTIONS)).toBe(DEFAULT_SELECT_OPTIONS)
  })

  it('are all either a number with a range or one of some words', () => {
    expect([...Object.keys(SELECT_RANGES), ...Object.keys(SELECT_WORDS)].sort()).toEqual(
      Object.keys(DEFAULT_SELECT_OPTIONS).sort(),
    )
  })

  describe.each(Object.keys(SELECT_RANGES) as Numeric[])('include %s, which', name => {
    const range: { min: number; max: number; isWhole?: boolean } = SELECT_RANGES[name]
    const { min, max, isWhole = false } = range

    it('may be at either end of its range', () => {
      expect([fault(with_(name, min)), fault(with_(name, max))]).toEqual([undefined, undefined])
    })

    it.each([min - 1, max + 1, Number.NaN, Number.POSITIVE_INFINITY, '1', null, undefined])(
      'may not be %j, and the error names it with its range',
      value => {
        expect(fault(with_(name, value))).toBe(
          `select.${name} must be ${isWhole ? 'a whole number' : 'a number'} from ${min} to ${max}, not ${String(value)}`,
        )
      },
    )

    it('is whole where it counts something', () => {
      const half = (min + Math.min(max, min + 1)) / 2
      expect(fault(with_(name, half)) !== undefined).toBe(isWhole)
    })
  })

  it.each(Object.keys(SELECT_WORDS) as (keyof typeof SELECT_WORDS)[])(
    'include %s, which is one of its words',
    name => {
      for (const word of SELECT_WORDS[name]) expect(fault(with_(name, word))).toBeUndefined()
      for (const value of ['', 'AUTO', 1, undefined, null, [SELECT_WORDS[name][0]]]) {
        expect(fault(with_(name, value))).toContain(
          `select.${name} must be one of ${SELECT_WORDS[name].join(', ')}`,
        )
      }
    },
  )

  it.each([
    ['joinDelayMinMs', 'joinDelayMaxMs', 250],
    ['brokenBaseMs', 'brokenMaxMs', 5_000],
  ] as const)('include %s, which is at most %s', (least, most, value) => {
    const of = (low: number, high: number) => ({ ...DEFAULT_SELECT_OPTIONS, [least]: low, [most]: high })
    expect(fault(of(value, value))).toBeUndefined()
    expect(fault(of(value + 1, value))).toBe(
      `select.${most} must not be below select.${least} (${value + 1})`,
    )
  })

  it('leave names that nobody knows to others', () => {
    expect(fault(with_('later', 'x'))).toBeUndefined()
  })
})
