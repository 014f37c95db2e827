import { z } from 'zod'
import {
  DEFAULT_SELECT_OPTIONS,
  SELECT_RANGES,
  SELECT_WORDS,
  type SelectOptions,
} from '../../../entry/options.ts'
import { asWord, type GivenOptions, optionGroup } from './option-group.ts'

/**
 * The `select` group. That a least does not exceed its most is checked over all groups: see select-faults.ts.
 */
export function selectGroup(): z.ZodType<GivenOptions<SelectOptions>> {
  return optionGroup(DEFAULT_SELECT_OPTIONS, SELECT_RANGES, {
    policy: z.enum(SELECT_WORDS.policy),
    probe: z.preprocess(asWord, z.enum(SELECT_WORDS.probe)),
    altSvc: z.preprocess(asWord, z.enum(SELECT_WORDS.altSvc)),
  })
}
