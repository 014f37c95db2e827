import type { z } from 'zod'
import { DEFAULT_HTTP2_OPTIONS, HTTP2_RANGES, type Http2Options } from '../../index.ts'
import { type GivenOptions, type OptionRanges, optionGroup } from './option-group.ts'

/**
 * The `http2` group of an origin or of the ingress. The module says what each option may be; here a fault gets its place in the file.
 * `areAll`: no other group is laid over this one, so that it must agree with the defaults where it says nothing.
 */
export function http2Group(
  defaults: Readonly<Http2Options>,
  { areAll }: { areAll: boolean },
): z.ZodType<GivenOptions<Http2Options>> {
  return optionGroup(defaults, HTTP2_OPTION_RANGES).superRefine((given, context) => {
    const streamBytes = given.streamWindowBytes ?? (areAll ? defaults.streamWindowBytes : 0)
    const maxBytes =
      given.maxStreamWindowBytes ?? (areAll ? defaults.maxStreamWindowBytes : Number.POSITIVE_INFINITY)
    if (maxBytes >= streamBytes) return
    context.addIssue({
      code: 'custom',
      path: [given.maxStreamWindowBytes === undefined ? 'streamWindowBytes' : 'maxStreamWindowBytes'],
      message: `maxStreamWindowBytes (${maxBytes}) must not be below streamWindowBytes (${streamBytes})`,
    })
  })
}

/** As the module has them: what is not in its table is at least 1. */
const HTTP2_OPTION_RANGES: OptionRanges<Http2Options> = Object.fromEntries(
  Object.keys(DEFAULT_HTTP2_OPTIONS).map(name => [
    name,
    HTTP2_RANGES[name as keyof Http2Options] ?? { min: 1 }, // a key of the options, which Object.keys widens
  ]),
)
