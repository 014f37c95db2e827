import { z } from 'zod'
import {
  DEFAULT_HEALTH_OPTIONS,
  DEFAULT_HEDGE_OPTIONS,
  DEFAULT_OUTLIER_OPTIONS,
  HEALTH_RANGES,
  HEALTH_TEXTS,
  HEALTH_WORDS,
  HEDGE_RANGES,
  type HealthOptions,
  type HedgeOptions,
  isHealthStatus,
  type NumberRange,
  OUTLIER_RANGES,
  type OutlierOptions,
} from '../../../entry/options.ts'
import { asWord, type GivenOptions, optionGroup } from './option-group.ts'

/** The `health` group. */
export function healthGroup(): z.ZodType<GivenOptions<HealthOptions>> {
  const { path, host, service } = HEALTH_TEXTS
  return optionGroup(DEFAULT_HEALTH_OPTIONS, HEALTH_RANGES, {
    check: z.preprocess(asWord, z.enum(HEALTH_WORDS.check)),
    method: z.enum(HEALTH_WORDS.method),
    connections: z.enum(HEALTH_WORDS.connections),
    path: z.string().regex(path, 'must begin with / and have no space'),
    host: z.string().regex(host, 'must be a host name or address, with or without a port'),
    service: z.string().regex(service, 'must be the name of a gRPC service'),
    statuses: z.array(z.number().refine(isHealthStatus, 'must be a status from 200 to 599')).min(1).max(64),
  })
}

/** The `outlier` group. */
export function outlierGroup(): z.ZodType<GivenOptions<OutlierOptions>> {
  return optionGroup(DEFAULT_OUTLIER_OPTIONS, OUTLIER_RANGES, {
    latencyFactor: zeroOr(OUTLIER_RANGES.latencyFactor),
  })
}

/** The `hedge` group. */
export function hedgeGroup(): z.ZodType<GivenOptions<HedgeOptions>> {
  return optionGroup(DEFAULT_HEDGE_OPTIONS, HEDGE_RANGES, { quantile: zeroOr(HEDGE_RANGES.quantile) })
}

/** A number that may be a fraction. */
function zeroOr({ min, max }: NumberRange) {
  return z.number().refine(value => value === 0 || (value >= min && value <= max), {
    message: `must be 0, or from ${min} to ${max}`,
  })
}
