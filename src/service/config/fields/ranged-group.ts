import type { z } from 'zod'
import type { OptionRanges } from '../../../entry/options.ts'
import { type GivenOptions, optionGroup } from './option-group.ts'

interface RangedGroupRules<Options> {
  /** As the module has them: what is not in the table is at least 1. */
  readonly ranges: OptionRanges<Options>
  /** Options that must not be below others: [the larger one, the smaller one]. */
  readonly order: readonly (readonly [larger: keyof Options & string, smaller: keyof Options & string])[]
  /** No other group is laid over this one, so that it must agree with the defaults where it says nothing. */
  readonly areAll: boolean
  /** Of options that are no numbers. */
  readonly fields?: { readonly [Name in keyof Options & string]?: z.ZodType }
}

/**
 * A group, of whole numbers but for `fields`, whose ranges the module knows; here a fault gets its place in
 * the file.
 */
export function rangedGroup<Options extends object>(
  defaults: Readonly<Options>,
  { ranges, order, areAll, fields }: RangedGroupRules<Options>,
): z.ZodType<GivenOptions<Options>> {
  const names = Object.keys(defaults) as (keyof Options & string)[] // its keys, which Object.keys widens
  const all = Object.fromEntries(names.map(name => [name, ranges[name] ?? { min: 1 }]))
  return optionGroup(defaults, all as OptionRanges<Options>, fields).superRefine((given, context) => {
    for (const [larger, smaller] of order) {
      const floor = Number(given[smaller] ?? (areAll ? defaults[smaller] : 0))
      const value = Number(given[larger] ?? (areAll ? defaults[larger] : Number.POSITIVE_INFINITY))
      if (value >= floor) continue
      context.addIssue({
        code: 'custom',
        path: [given[larger] === undefined ? smaller : larger],
        message: `${larger} (${value}) must not be below ${smaller} (${floor})`,
      })
    }
  })
}
