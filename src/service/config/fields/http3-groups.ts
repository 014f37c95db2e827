import { z } from 'zod'
import {
  HTTP3_RANGES,
  type Http3Options,
  QUIC_CONGESTION_CONTROLS,
  QUIC_RANGES,
  type QuicOptions,
} from '../../../entry/options.ts'
import type { GivenOptions } from './option-group.ts'
import { rangedGroup } from './ranged-group.ts'

/** The `quic` group. `areAll`: see RangedGroupRules. */
export function quicGroup(
  defaults: Readonly<QuicOptions>,
  { areAll }: { areAll: boolean },
): z.ZodType<GivenOptions<QuicOptions>> {
  return rangedGroup(defaults, {
    ranges: QUIC_RANGES,
    order: [['maxStreamWindowBytes', 'streamWindowBytes']],
    areAll,
    fields: { congestionControl: z.enum(QUIC_CONGESTION_CONTROLS) },
  })
}

/** The `http3` group. */
export function http3Group(
  defaults: Readonly<Http3Options>,
  { areAll }: { areAll: boolean },
): z.ZodType<GivenOptions<Http3Options>> {
  return rangedGroup(defaults, { ranges: HTTP3_RANGES, order: [], areAll })
}
