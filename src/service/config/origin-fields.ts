import { isIP } from 'node:net'
import { z } from 'zod'
import {
  DEFAULT_HTTP2_OPTIONS,
  DEFAULT_HTTP3_OPTIONS,
  DEFAULT_POOL_OPTIONS,
  DEFAULT_QUIC_OPTIONS,
  DEFAULT_RESPONSE_LIMITS,
  DEFAULT_RETRY_OPTIONS,
  DEFAULT_SOCKET_OPTIONS,
  DEFAULT_TIMEOUTS,
  parseOrigin,
} from '../../index.ts'
import { KNOWN_PROTOCOLS, NOT_BUILT } from './built-features.ts'
import { shown } from './describe-issue.ts'
import { http2Group } from './http2-group.ts'
import { http3Group, quicGroup } from './http3-groups.ts'
import { optionGroup } from './option-group.ts'
import { selectGroup } from './select-group.ts'
import { originTlsField } from './tls-fields.ts'

/** What `defaults` and every origin may say. */
export function originOptionFields(directory: string) {
  return {
    protocols: z.array(z.enum(KNOWN_PROTOCOLS)).min(1).optional(),
    select: selectGroup().optional(),
    pool: optionGroup(DEFAULT_POOL_OPTIONS, {
      maxConnections: { min: 1 },
      maxStreamsPerConnection: { min: 1 },
      maxAgeJitter: { max: 1 },
    }).optional(),
    timeouts: optionGroup(DEFAULT_TIMEOUTS).optional(),
    retry: optionGroup(DEFAULT_RETRY_OPTIONS).optional(),
    limits: optionGroup(DEFAULT_RESPONSE_LIMITS).optional(),
    http2: http2Group(DEFAULT_HTTP2_OPTIONS, { areAll: false }).optional(),
    quic: quicGroup(DEFAULT_QUIC_OPTIONS, { areAll: false }).optional(),
    http3: http3Group(DEFAULT_HTTP3_OPTIONS, { areAll: false }).optional(),
    tls: originTlsField(directory).optional(),
    socket: optionGroup(DEFAULT_SOCKET_OPTIONS).optional(),
    hostHeader: hostHeaderField.optional(),
    earlyData: earlyDataField.optional(),
    trusted: z.boolean().optional(),
    tfo: notBuiltUnlessOff('tfo').optional(),
  }
}

/** What an origin says about itself. */
export function originFields(directory: string) {
  return {
    url: originUrlField,
    endpoints: z.array(endpointField).optional(),
    hosts: z.array(hostPatternField).optional(),
    ...originOptionFields(directory),
  }
}

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

const HOST_PATTERN =
  /^(?:\*|(?:\*\.)?[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*)$/

/** A host to route by: `shop.example`, `*.shop.example`, `*`, an IP address (IPv6 in brackets). Lower case, without a port. */
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

/** YAML reads a bare `off` as the boolean false in its older dialect. */
const earlyDataField = z.preprocess(value => (value === false ? 'off' : value), z.enum(['off', 'safe']))

/** `off` is what there is; anything else is refused by name. */
function notBuiltUnlessOff(name: string): z.ZodType<'off'> {
  return z.unknown().transform((value, context) => {
    if (value === 'off' || value === false) return 'off' as const
    context.addIssue({
      code: 'custom',
      message: `${name} ${shown(value)}: ${NOT_BUILT}; only off is possible`,
    })
    return z.NEVER
  })
}
