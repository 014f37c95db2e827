import { z } from 'zod'

/**
 * What metrics call the origin of requests that came to none, and origins that a reload removed while they
 * still had exchanges.
 */
export const NO_ORIGIN = 'none'
export const REMOVED_ORIGIN = 'removed'

const ORIGIN_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/

/** The name of an origin, which is a label of its metrics. */
export const originNameField = z
  .string()
  .regex(ORIGIN_NAME, 'must be a name of letters, digits, dot, dash, underscore')
  .refine(
    name => name !== NO_ORIGIN && name !== REMOVED_ORIGIN,
    `must be another name: metrics count under ${NO_ORIGIN} and ${REMOVED_ORIGIN} what belongs to no origin`,
  )
