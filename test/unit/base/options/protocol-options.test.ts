import { describe, expect, it } from 'vitest'
import {
  checkLivenessOptions,
  DEFAULT_LIVENESS_OPTIONS,
  LIVENESS_RANGES,
  type LivenessOptions,
} from '../../../../src/base/options/protocol-options.ts'

describe('checkLivenessOptions', () => {
  const check = (options: Partial<LivenessOptions>) =>
    checkLivenessOptions({ ...DEFAULT_LIVENESS_OPTIONS, ...options })

  it('accepts the defaults, and knows each of them', () => {
    expect(checkLivenessOptions(DEFAULT_LIVENESS_OPTIONS)).toBe(DEFAULT_LIVENESS_OPTIONS)
    expect(Object.keys(LIVENESS_RANGES).sort()).toEqual(Object.keys(DEFAULT_LIVENESS_OPTIONS).sort())
  })

  it.each(Object.entries(LIVENESS_RANGES))(
    'accepts %s at both ends of its range, and not beyond',
    (name, { min, max }) => {
      check({ [name]: min })
      check({ [name]: max })
      for (const wrong of [min - 1, max + 1, 1.5, Number.NaN, '5s'])
        expect(() => check({ [name]: wrong })).toThrow(`liveness.${name} must be a whole number`)
    },
  )
})
