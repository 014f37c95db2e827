import { isIP } from 'node:net'
import { z } from 'zod'
import {
  BALANCE_POLICIES,
  type BalanceOptions,
  BREAKER_RANGES,
  CERTIFICATE_NAME,
  CONCURRENCY_LIMITS,
  CONCURRENCY_RANGES,
  CONGESTION_CONTROL_NAME,
  type ConcurrencyOptions,
  DEFAULT_BALANCE_OPTIONS,
  DEFAULT_BREAKER_OPTIONS,
  DEFAULT_CONCURRENCY_OPTIONS,
  DEFAULT_HTTP2_OPTIONS,
  DEFAULT_HTTP3_OPTIONS,
  DEFAULT_LIVENESS_OPTIONS,
  DEFAULT_OBJECTIVE_OPTIONS,
  DEFAULT_POOL_OPTIONS,
  DEFAULT_PROTECTION_OPTIONS,
  DEFAULT_QUIC_OPTIONS,
  DEFAULT_RESPONSE_LIMITS,
  DEFAULT_RETRY_OPTIONS,
  DEFAULT_SELECT_OPTIONS,
  DEFAULT_SOCKET_OPTIONS,
  DEFAULT_TIMEOUTS,
  DSCP_NAMES,
  type DscpName,
  FAIR_BY,
  HASH_BY,
  isRetryableStatus,
  LIVENESS_RANGES,
  MAX_BALANCED_ENDPOINTS,
  MAX_TIER,
  MAX_WEIGHT,
  OBJECTIVE_RANGES,
  parseEndpointName,
  REUSE_MODES,
  SELECT_RANGES,
  SELECT_WORDS,
  type SelectOptions,
  SOCKET_RANGES,
  type SocketOptions,
} from '../../../entry/options.ts'
import { parseOrigin } from '../../../index.ts'
import { KNOWN_PROTOCOLS } from '../built-features.ts'
import { shown } from '../describe-issue.ts'
import { healthGroup, hedgeGroup, outlierGroup } from './health-fields.ts'
import { asWord, type GivenOptions, http2Group, http3Group, optionGroup, quicGroup } from './option-group.ts'
import { originTlsField } from './tls-fields.ts'

/** The `socket` group. */
function socketGroup(): z.ZodType<GivenOptions<SocketOptions>> {
  return optionGroup(DEFAULT_SOCKET_OPTIONS, SOCKET_RANGES, {
    congestionControl: z
      .string()
      .regex(
        CONGESTION_CONTROL_NAME,
        'must be a name such as cubic, of up to 15 lower-case letters, digits, - and _',
      ),
    dscp: z.union(
      [z.number().int().min(0).max(63), z.enum(Object.keys(DSCP_NAMES) as [DscpName])], // its keys
      `must be from 0 to 63, or one of ${Object.keys(DSCP_NAMES).join(', ')}`,
    ),
  })
}

/**
 * The `select` group. That a least does not exceed its most is checked over all groups: see
 * select-faults.ts.
 */
function selectGroup(): z.ZodType<GivenOptions<SelectOptions>> {
  return optionGroup(DEFAULT_SELECT_OPTIONS, SELECT_RANGES, {
    policy: z.enum(SELECT_WORDS.policy),
    probe: z.preprocess(asWord, z.enum(SELECT_WORDS.probe)),
    altSvc: z.preprocess(asWord, z.enum(SELECT_WORDS.altSvc)),
  })
}

/** The `concurrency` group. */
function concurrencyGroup(): z.ZodType<GivenOptions<ConcurrencyOptions>> {
  const { min, max } = CONCURRENCY_RANGES.tolerance
  return optionGroup(DEFAULT_CONCURRENCY_OPTIONS, CONCURRENCY_RANGES, {
    limit: z.preprocess(asWord, z.enum(CONCURRENCY_LIMITS)),
    tolerance: z.number().min(min).max(max),
  })
}

/** The `balance` group. */
function balanceGroup(): z.ZodType<GivenOptions<BalanceOptions>> {
  return optionGroup(
    DEFAULT_BALANCE_OPTIONS,
    {},
    {
      policy: z.enum(BALANCE_POLICIES),
      hashBy: z.string().regex(HASH_BY, 'must be path, header:NAME or cookie:NAME'),
      zones: z.array(z.string().min(1)),
      maxAddressesPerName: z.number().int().min(1).max(MAX_BALANCED_ENDPOINTS),
      panicShare: z.number().min(0).max(1),
    },
  )
}

/** What `defaults` and every origin may say. */
export function originOptionFields(directory: string) {
  return {
    protocols: z.array(z.enum(KNOWN_PROTOCOLS)).min(1).optional(),
    select: selectGroup().optional(),
    pool: optionGroup(
      DEFAULT_POOL_OPTIONS,
      { maxConnections: { min: 1 }, maxStreamsPerConnection: { min: 1 }, maxAgeJitter: { max: 1 } },
      { headroom: z.number().min(0) },
    ).optional(),
    reuse: z.enum(REUSE_MODES).optional(),
    objective: optionGroup(DEFAULT_OBJECTIVE_OPTIONS, OBJECTIVE_RANGES).optional(),
    protection: optionGroup(DEFAULT_PROTECTION_OPTIONS, {}, { fairBy: z.enum(FAIR_BY) }).optional(),
    timeouts: optionGroup(DEFAULT_TIMEOUTS).optional(),
    retry: optionGroup(DEFAULT_RETRY_OPTIONS, {}, { statuses: z.array(statusField) }).optional(),
    breakers: optionGroup(DEFAULT_BREAKER_OPTIONS, BREAKER_RANGES).optional(),
    concurrency: concurrencyGroup().optional(),
    limits: optionGroup(DEFAULT_RESPONSE_LIMITS).optional(),
    http2: http2Group(DEFAULT_HTTP2_OPTIONS, { areAll: false }).optional(),
    quic: quicGroup(DEFAULT_QUIC_OPTIONS, { areAll: false }).optional(),
    http3: http3Group(DEFAULT_HTTP3_OPTIONS, { areAll: false }).optional(),
    liveness: optionGroup(DEFAULT_LIVENESS_OPTIONS, LIVENESS_RANGES).optional(),
    tls: originTlsField(directory).optional(),
    socket: socketGroup().optional(),
    balance: balanceGroup().optional(),
    health: healthGroup().optional(),
    outlier: outlierGroup().optional(),
    hedge: hedgeGroup().optional(),
    hostHeader: hostHeaderField.optional(),
    earlyData: z.preprocess(asWord, z.enum(['off', 'safe'])).optional(),
    earlyDataOverTcp: z.boolean().optional(),
    trusted: z.boolean().optional(),
    egress: z.string().optional(),
    coalesce: z.enum(['auto', 'never']).optional(),
    certificateNames: z.array(certificateNameField).optional(),
    preconnectHints: z.enum(['auto', 'never']).optional(),
    webTransport: z.boolean().optional(),
    tfo: z.preprocess(asWord, z.enum(['off', 'auto', 'on'])).optional(),
  }
}

/** What an origin says about itself. */
export function originFields(directory: string) {
  return {
    url: originUrlField,
    endpoints: z.array(z.union([endpointPlaceField, weighedEndpoint])).optional(),
    hosts: z.array(hostPatternField).optional(),
    ...originOptionFields(directory),
  }
}

const statusField = z.number().refine(isRetryableStatus, 'must be 429, or from 500 to 599')

const certificateNameField = z
  .string()
  .regex(CERTIFICATE_NAME, 'must be a host name such as a.example or *.internal.example')

const originUrlField = z.string().transform((value, context) => {
  try {
    const url = new URL(value)
    if (url.pathname !== '/' || url.search !== '' || url.hash !== '' || url.username !== '') {
      context.addIssue({
        code: 'custom',
        message: `must be an origin, scheme://host:port and nothing else, not ${shown(value)}`,
      })
      return z.NEVER
    }
    return parseOrigin(url)
  } catch {
    context.addIssue({ code: 'custom', message: `must be an http or https URL, not ${shown(value)}` })
    return z.NEVER
  }
})

/** An IP address with or without a port. */
export const endpointField = z.string().superRefine((value, context) => {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(value)
  const [, bracketed, plain, port] = match ?? []
  const isAddress = bracketed === undefined ? isIP(plain ?? '') === 4 : isIP(bracketed) === 6
  if (isAddress && Number(port ?? 0) <= 65_535) return
  context.addIssue({
    code: 'custom',
    message: `must be an IP address with or without a port (192.0.2.1:8443, [2001:db8::1]), not ${shown(value)}`,
  })
})

/** An IP address or a host name, with or without a port. */
const endpointPlaceField = z.string().superRefine((value, context) => {
  if (parseEndpointName(value) !== undefined || endpointField.safeParse(value).success) return
  context.addIssue({
    code: 'custom',
    message: `must be an IP address or a host name, with or without a port (192.0.2.1:8443, [2001:db8::1], a.internal:8443), not ${shown(value)}`,
  })
})

/** An endpoint with its part in the balance. */
const weighedEndpoint = z.strictObject({
  address: endpointPlaceField,
  weight: z.number().int().min(1).max(MAX_WEIGHT).optional(),
  tier: z.number().int().min(0).max(MAX_TIER).optional(),
  zone: z.string().min(1).optional(),
})

const HOST_PATTERN =
  /^(?:\*|(?:\*\.)?[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*)$/

/**
 * A host to route by: `shop.example`, `*.shop.example`, `*`, an IP address (IPv6 in brackets). Lower case,
 * without a port.
 */
export const hostPatternField = z.string().transform((value, context) => {
  const host = value.toLowerCase()
  const isAddress = host.startsWith('[') ? isIP(host.slice(1, -1)) === 6 : false
  if (isAddress || HOST_PATTERN.test(host)) return host
  context.addIssue({
    code: 'custom',
    message: `must be a host name without port or scheme, *.suffix or *, not ${shown(value)}`,
  })
  return z.NEVER
})

/** What Host and :authority carry towards the origin: `origin`, `preserve`, or a fixed host[:port]. */
const hostHeaderField = z
  .string()
  .regex(
    /^(?:[A-Za-z0-9._-]+|\[[0-9a-fA-F:.]+\])(?::\d{1,5})?$/,
    'must be origin, preserve or a fixed host[:port]',
  )
