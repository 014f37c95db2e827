import type { z } from 'zod'
import { HTTP2_RANGES, type Http2Options } from '../../../entry/options.ts'
import type { GivenOptions } from './option-group.ts'
import { rangedGroup } from './ranged-group.ts'

/** The `http2` group of an origin or of the ingress. `areAll`: see RangedGroupRules. */
export function http2Group(
  defaults: Readonly<Http2Options>,
  { areAll }: { areAll: boolean },
): z.ZodType<GivenOptions<Http2Options>> {
  return rangedGroup(defaults, {
    ranges: HTTP2_RANGES,
    order: [['maxStreamWindowBytes', 'streamWindowBytes']],
    areAll,
  })
}
