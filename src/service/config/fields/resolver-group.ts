import { z } from 'zod'
import { DEFAULT_RESOLVER_OPTIONS, type ResolverOptions } from '../../../entry/options.ts'
import { type GivenOptions, optionGroup } from './option-group.ts'

/** Node's timers overflow above it. */
const MAX_TIMER_MS = 2 ** 31 - 1

/** The `resolver` group. */
export function resolverGroup(): z.ZodType<GivenOptions<ResolverOptions>> {
  return optionGroup(
    DEFAULT_RESOLVER_OPTIONS,
    {
      dnsStaleAnswerMs: { max: MAX_TIMER_MS },
      dnsQueryMs: { max: MAX_TIMER_MS },
      maxDnsQueries: { min: 1 },
      maxSystemLookups: { min: 1 },
      maxDnsEntries: { min: 1 },
      networkCheckMs: { max: MAX_TIMER_MS },
      dnsRefreshMs: { max: MAX_TIMER_MS },
    },
    { addresses: z.enum(['auto', 'dns', 'system']) },
  )
}
