import { resolve } from 'node:path'
import { z } from 'zod'
import { parseNetwork } from '../../dns/networks.ts'
import {
  DEFAULT_GLOBAL_LIMITS,
  DEFAULT_HTTP3_OPTIONS,
  DEFAULT_RESOLVER_OPTIONS,
  type EgressOptions,
  LIVENESS_RANGES,
  MAX_LOCAL_ADDRESSES,
  MAX_PROXIES,
  parseLocalRange,
  parseProxyUrl,
  type ResolverOptions,
} from '../../entry/options.ts'
import { FAST_OPEN_NEEDS_TLS, MAX_FAST_OPEN_QUEUE } from '../../ingress/fast-open-listener.ts'
import {
  DEFAULT_INGRESS_HTTP2_OPTIONS,
  DEFAULT_INGRESS_LIMITS,
  DEFAULT_INGRESS_LIVENESS_OPTIONS,
  DEFAULT_INGRESS_QUIC_OPTIONS,
  UNDERSCORE_RULES,
} from '../../ingress/ingress-limits.ts'
import { RETRY_RULES } from '../../ingress/quic-listener.ts'
import { UNIX_SOCKET } from '../../ingress/unix-socket.ts'
import { type BufferOptions, DEFAULT_BUFFER_OPTIONS } from '../forwarding/buffer-options.ts'
import { DEFAULT_CERTIFICATE_OPTIONS } from '../lifecycle/certificate-watch.ts'
import { DEFAULT_MEMORY_OPTIONS } from '../lifecycle/unused-memory.ts'
import { KNOWN_PROTOCOLS } from './built-features.ts'
import { shown } from './describe-issue.ts'
import { accessLogGroup, pathField } from './fields/access-log-fields.ts'
import { udpTemplateField } from './fields/forward-fields.ts'
import {
  isLoopbackHost,
  LISTEN_ADDRESS_FORM,
  originNameField,
  parseListenAddress,
} from './fields/listen-address.ts'
import {
  asWord,
  byteSizeField,
  durationField,
  type GivenOptions,
  http2Group,
  http3Group,
  optionGroup,
  quicGroup,
} from './fields/option-group.ts'
import { endpointField, originFields, originOptionFields } from './fields/origin-fields.ts'
import { routeField } from './fields/route-fields.ts'
import { stateGroup } from './fields/state-fields.ts'
import { adminTlsField, authoritiesField, listenTlsField, tokenField } from './fields/tls-fields.ts'

/** Node's timers overflow above it. */
const MAX_TIMER_MS = 2 ** 31 - 1

/** The `resolver` group. */
function resolverGroup(): z.ZodType<GivenOptions<ResolverOptions>> {
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

/** A Via pseudonym: a token, or a host with or without a port (RFC 9110 7.6.3). */
const PSEUDONYM = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+(?::\d{1,5})?$/

/** Several heartbeats of a worker: a pause of the garbage collector is no hang. */
const MIN_HANG_MS = 1_000

/** What `shutdown.maxFaults` may be: each is remembered. */
const MAX_FAULTS = 1_000

/** The whole configuration. Relative file names start at `directory`. */
export function configSchema(directory: string) {
  return z.strictObject({
    workers: workersField.optional(),
    listen: z
      .array(
        z
          .strictObject({
            address: addressField.optional(),
            unix: unixField(directory).optional(),
            mode: modeField.optional(),
            tls: listenTlsField(directory).optional(),
            protocols: z.array(z.enum(KNOWN_PROTOCOLS)).min(1).optional(),
            http3: listenHttp3Field.optional(),
            webTransport: listenWebTransportField,
            fastOpen: z.number().int().min(0).max(MAX_FAST_OPEN_QUEUE).optional(),
            proxyProtocol: z.union([z.boolean(), z.array(networkField).min(1)], TRUSTED_FORM).optional(),
          })
          .superRefine(
            (
              { fastOpen = 0, tls, protocols = [], http3, webTransport, proxyProtocol = false, ...at },
              context,
            ) => {
              const refuse = (path: string, message: string): void =>
                context.addIssue({ code: 'custom', path: [path], message })
              const hasHttp3 = protocols.includes('h3')
              if (at.address === undefined && at.unix === undefined)
                context.addIssue({
                  code: 'invalid_type',
                  expected: 'string',
                  input: undefined,
                  path: ['address'],
                })
              if (at.address !== undefined && at.unix !== undefined) refuse('unix', 'goes without address')
              if (at.unix === undefined && at.mode !== undefined) refuse('mode', 'needs unix')
              if (at.unix !== undefined && hasHttp3)
                refuse('protocols', 'h3 needs an address, not a Unix socket')
              if (at.unix !== undefined && fastOpen > 0) refuse('fastOpen', 'is of TCP, not of Unix sockets')
              if (at.unix !== undefined && tls !== undefined && proxyProtocol !== false)
                refuse('proxyProtocol', 'goes without tls on a Unix socket')
              if (fastOpen > 0 && tls === undefined) refuse('fastOpen', FAST_OPEN_NEEDS_TLS)
              if (hasHttp3 && tls === undefined) refuse('protocols', 'h3 needs tls')
              if (hasHttp3 && proxyProtocol !== false)
                refuse('proxyProtocol', 'is of TCP: h3 needs a listener of its own')
              if (hasHttp3 && tls?.clientCertificates === 'ask')
                refuse('tls', 'clientCertificates: ask is of TCP: with h3 a certificate can only be required')
              if (tls?.clientCa !== undefined && http3?.earlyData === true)
                refuse(
                  'http3',
                  'earlyData goes without clientCa: who shows a certificate is proven by the handshake',
                )
              if (!hasHttp3 && http3 !== undefined) refuse('http3', 'needs h3 in protocols')
              if (!hasHttp3 && webTransport !== undefined) refuse('webTransport', 'needs h3 in protocols')
            },
          ),
      )
      .min(1),
    certificates: optionGroup(DEFAULT_CERTIFICATE_OPTIONS).optional(),
    ingress: optionGroup(
      DEFAULT_INGRESS_LIMITS,
      {},
      {
        underscoredFields: z.enum(UNDERSCORE_RULES),
        http2: http2Group(DEFAULT_INGRESS_HTTP2_OPTIONS, { areAll: true }),
        quic: quicGroup(DEFAULT_INGRESS_QUIC_OPTIONS, { areAll: true }),
        http3: http3Group(DEFAULT_HTTP3_OPTIONS, { areAll: true }),
        liveness: optionGroup(DEFAULT_INGRESS_LIVENESS_OPTIONS, LIVENESS_RANGES),
      },
    ).optional(),
    admin: z
      .preprocess(
        value => (value === 'off' || value === false ? { address: 'off' } : value),
        z
          .strictObject({
            address: adminAddressField.optional(),
            unix: unixField(directory).optional(),
            mode: modeField.optional(),
            tokens: z
              .strictObject({
                read: tokenField(directory).optional(),
                change: tokenField(directory).optional(),
              })
              .optional(),
            tls: adminTlsField(directory).optional(),
          })
          .superRefine(({ address, unix, mode, tokens = {}, tls }, context) => {
            const refuse = (path: string, message: string): void =>
              context.addIssue({ code: 'custom', path: [path], message })
            if (address !== undefined && unix !== undefined) refuse('unix', 'goes without address')
            if (unix === undefined && mode !== undefined) refuse('mode', 'needs unix')
            const asks =
              tokens.read !== undefined || tokens.change !== undefined || tls?.clientCa !== undefined
            if (asks || address === undefined || address === 'off' || isLoopbackHost(address.host)) return
            refuse('address', 'needs tokens, or tls with clientCa: only on loopback it may be without')
          }),
      )
      .optional(),
    log: z
      .strictObject({
        level: z.enum(['debug', 'info', 'warn', 'error', 'silent']).optional(),
        format: z.enum(['text', 'json']).optional(),
        maxQueuedBytes: byteSizeField({ min: 1 }).optional(),
        maxQueuedLines: z.number().int().min(1).optional(),
        slowRequest: durationField.optional(),
      })
      .optional(),
    accessLog: accessLogGroup(directory).optional(),
    forwarding: z
      .strictObject({
        via: z.string().regex(PSEUDONYM, 'must be a token or host[:port]').optional(),
        forwarded: z.enum(['rfc7239', 'x-forwarded', 'both', 'off']).optional(),
        trustForwarded: z.union([z.boolean(), z.array(networkField).min(1)], TRUSTED_FORM).optional(),
        by: z
          .string()
          .regex(/^(?:_[A-Za-z0-9._-]+|off)$/, 'must be _name (RFC 7239 6.3) or off')
          .optional(),
        normalizePaths: z.boolean().optional(),
        ambiguousPaths: z.enum(['refuse', 'pass']).optional(),
        buffering: optionGroup<BufferOptions>(DEFAULT_BUFFER_OPTIONS, {
          maxStalledShare: { max: 1 },
        }).optional(),
      })
      .optional(),
    errors: z.enum(['brief', 'detail']).optional(),
    memory: optionGroup(DEFAULT_MEMORY_OPTIONS).optional(),
    shutdown: z
      .strictObject({
        delay: durationField.optional(),
        drainTimeout: durationField.optional(),
        keepAdmin: z.boolean().optional(),
        maxFaults: z.number().int().min(0).max(MAX_FAULTS).optional(),
        faultWindow: durationField.optional(),
      })
      .optional(),
    state: stateGroup(directory).optional(),
    qlog: z.strictObject({ directory: pathField(directory) }).optional(),
    egress: z.record(z.string().min(1), egressField(directory)).optional(),
    limits: optionGroup(DEFAULT_GLOBAL_LIMITS, {
      maxTotalConnections: { min: 1 },
      maxOrigins: { min: 1 },
      dialShare: { max: 1 },
      maxPortShare: { max: 1 },
    }).optional(),
    resolver: resolverGroup().optional(),
    resolve: z.record(z.string(), z.string()).optional(),
    dnsServers: z.array(endpointField).min(1).optional(),
    defaults: z.strictObject(originOptionFields(directory)).optional(),
    origins: z.record(originNameField, z.strictObject(originFields(directory))).default({}),
    routes: z.array(routeField(directory)).optional(),
  })
}

/** More processes than this are a mistake. */
const MAX_WORKERS = 256
const workerCountField = z.union(
  [z.enum(['auto', 'off']), z.number().int().min(1).max(MAX_WORKERS)],
  `must be auto, off, or a whole number from 1 to ${MAX_WORKERS}`,
)
/** `auto` is short for `{ count: auto }`. */
const workersField = z.preprocess(
  value => (typeof value === 'object' && value !== null ? value : { count: value === false ? 'off' : value }),
  z
    .strictObject({
      count: workerCountField.optional(),
      hangTimeout: durationField
        .refine(ms => ms >= MIN_HANG_MS, `must be at least ${MIN_HANG_MS}ms`)
        .optional(),
      maxMemoryBytes: byteSizeField({ min: 1 }).optional(),
    })
    .transform(({ count, hangTimeout, maxMemoryBytes }) => ({
      ...(count !== undefined && { count }),
      ...(hangTimeout !== undefined && { hangTimeoutMs: hangTimeout }),
      ...(maxMemoryBytes !== undefined && { maxMemoryBytes }),
    })),
)

const TRUSTED_FORM = 'must be true, false, or a list of addresses and networks such as [10.0.0.0/8]'

const networkField = z
  .string()
  .refine(
    text => text === UNIX_SOCKET || parseNetwork(text) !== undefined,
    'must be an IP address, a network such as 10.0.0.0/8, or unix:',
  )

/** Linux has 108 bytes for a path, with a zero behind it. */
const MAX_UNIX_PATH_BYTES = 107

function unixField(directory: string) {
  return z.string().transform((value, context) => {
    const path = resolve(directory, value)
    if (value !== '' && Buffer.byteLength(path) <= MAX_UNIX_PATH_BYTES) return path
    context.addIssue({
      code: 'custom',
      message: `must be a path of at most ${MAX_UNIX_PATH_BYTES} bytes; ${path} has ${Buffer.byteLength(path)}`,
    })
    return z.NEVER
  })
}

/** In YAML `0660` without quotes is the number 660. */
const modeField = z
  .string()
  .regex(/^0?[0-7]{3}$/, "must be octal digits in quotes, such as '0660'")
  .transform(text => Number.parseInt(text, 8))

const addressField = z.string().transform((value, context) => {
  const address = parseListenAddress(value)
  if (address !== undefined) return address
  context.addIssue({ code: 'custom', message: `must be ${LISTEN_ADDRESS_FORM}, not ${shown(value)}` })
  return z.NEVER
})

const adminAddressField = z.string().transform((value, context) => {
  if (value === 'off') return 'off' as const
  const address = parseListenAddress(value)
  // `:9901` means loopback here: the admin routes can stop the service, so other addresses must be written
  // out.
  if (address !== undefined) return value.startsWith(':') ? { ...address, host: '127.0.0.1' } : address
  context.addIssue({
    code: 'custom',
    message: `must be off or HOST:PORT such as 127.0.0.1:9901, not ${shown(value)}`,
  })
  return z.NEVER
})

/** `altSvc`: see Http3ListenSettings. */
const listenHttp3Field = z
  .strictObject({
    retry: z.enum(RETRY_RULES).optional(),
    earlyData: z.preprocess(asWord, z.enum(['off', 'safe'])).optional(),
    clientMigration: z.preprocess(asWord, z.enum(['off', 'on'])).optional(),
    altSvc: z
      .preprocess(
        value => (value === 'off' || value === false ? { maxAge: 0 } : value),
        z.strictObject({
          port: z.number().int().min(1).max(65_535).optional(),
          maxAge: durationField.optional(),
        }),
      )
      .optional(),
  })
  .transform(({ retry, earlyData, clientMigration, altSvc }) => ({
    ...(retry !== undefined && { retry }),
    ...(earlyData !== undefined && { earlyData: earlyData === 'safe' }),
    ...(clientMigration !== undefined && { allowsMigration: clientMigration === 'on' }),
    altSvc: {
      ...(altSvc?.port !== undefined && { port: altSvc.port }),
      ...(altSvc?.maxAge !== undefined && { maxAgeMs: altSvc.maxAge }),
    },
  }))

const listenWebTransportField = z.preprocess(
  value => (value === true ? {} : value === false ? undefined : value),
  z
    .strictObject({
      maxSessions: z.number().int().min(1).optional(),
      maxSessionsPerConnection: z.number().int().min(1).max(65_535).optional(),
      idleTimeout: durationField.optional(),
    })
    .transform(({ maxSessions, maxSessionsPerConnection, idleTimeout }) => ({
      ...(maxSessions !== undefined && { maxSessions }),
      ...(maxSessionsPerConnection !== undefined && { maxSessionsPerConnection }),
      ...(idleTimeout !== undefined && { idleTimeoutMs: idleTimeout }),
    }))
    .optional(),
)

/** One way out. No fault repeats the URL of a proxy: it may hold a password. */
function egressField(directory: string): z.ZodType<EgressOptions> {
  return z
    .strictObject({
      addresses: z.array(localRangeField).min(1).max(MAX_LOCAL_ADDRESSES).optional(),
      proxies: z.array(proxyField).min(1).max(MAX_PROXIES).optional(),
      sticky: durationField.optional(),
      ca: authoritiesField(directory).optional(),
      udpTemplate: udpTemplateField.optional(),
    })
    .superRefine(({ addresses, proxies, ca, udpTemplate }, context) => {
      if ((addresses === undefined) === (proxies === undefined))
        context.addIssue({ code: 'custom', message: 'needs proxies or addresses, and not both' })
      else if (ca !== undefined && proxies === undefined)
        context.addIssue({ code: 'custom', path: ['ca'], message: 'is for proxies, and there are none' })
      else if (udpTemplate !== undefined && proxies === undefined)
        context.addIssue({
          code: 'custom',
          path: ['udpTemplate'],
          message: 'is for proxies, and there are none',
        })
    })
    .transform(({ addresses, proxies, sticky, ca, udpTemplate }) => ({
      ...(addresses !== undefined && { addresses }),
      ...(proxies !== undefined && { proxies }),
      ...(sticky !== undefined && { stickyMs: sticky }),
      ...(ca !== undefined && { ca }),
      ...(udpTemplate !== undefined && { udpTemplate }),
    }))
}

const proxyField = textField(parseProxyUrl)
const localRangeField = textField(parseLocalRange)

/** A text that is fine if `parse` does not throw. */
function textField(parse: (text: string) => unknown): z.ZodType<string> {
  return z.string().superRefine((text, context) => {
    try {
      parse(text)
    } catch (error) {
      context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : String(error) })
    }
  })
}
