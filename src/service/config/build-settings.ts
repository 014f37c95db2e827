import type { z } from 'zod'
import { throughEgress } from '../../entry/dispatch.ts'
import { DEFAULT_PROTECTION_OPTIONS, type FairBy, type ProtectionOptions } from '../../entry/options.ts'
import type { OriginOptions, Protocol, StateOptions } from '../../index.ts'
import { INGRESS_PROTOCOLS } from '../../ingress/listener.ts'
import { unixAddress } from '../../ingress/unix-socket.ts'
import { DEFAULT_BUFFER_OPTIONS } from '../forwarding/buffer-options.ts'
import { DEFAULT_CERTIFICATE_OPTIONS } from '../lifecycle/certificate-watch.ts'
import { DEFAULT_MEMORY_OPTIONS } from '../lifecycle/unused-memory.ts'
import { isUnconditional } from '../routes/route-conditions.ts'
import { collectRoutes, nameThrough } from './build-routes.ts'
import type { configSchema } from './config-schema.ts'
import { originOptions } from './origin-options.ts'
import {
  type AccessLogSettings,
  type AdminSettings,
  DEFAULT_ACCESS_LOG,
  DEFAULT_ADMIN_ADDRESS,
  DEFAULT_FORWARDING,
  DEFAULT_LISTEN_HTTP3,
  DEFAULT_LISTEN_WEB_TRANSPORT,
  DEFAULT_LOG,
  DEFAULT_REDIS,
  DEFAULT_SHUTDOWN,
  DEFAULT_UNIX_MODE,
  DEFAULT_WORKERS,
  type ListenSettings,
  type RedisSettings,
  type RouteSettings,
  type ServiceSettings,
} from './service-settings.ts'

type ParsedConfig = z.output<ReturnType<typeof configSchema>>
type RedisConfigOutput = NonNullable<NonNullable<ParsedConfig['state']>['redis']>

/** The settings of a configuration that the schema has passed. */
export function buildSettings(config: ParsedConfig): ServiceSettings {
  const warnings: string[] = []
  const defaults = originOptions(config.defaults ?? {})
  const origins: Record<string, OriginOptions> = {}
  for (const origin of Object.values(config.origins)) {
    origins[origin.url.key] = originOptions(origin)
  }
  const routes = collectRoutes(config, defaults, warnings)
  return {
    workers: { ...DEFAULT_WORKERS, ...config.workers },
    listen: config.listen.map(listenSettings),
    certificates: { ...DEFAULT_CERTIFICATE_OPTIONS, ...config.certificates },
    ingress: config.ingress ?? {},
    admin: adminSettings(config.admin),
    log: {
      level: config.log?.level ?? DEFAULT_LOG.level,
      format: config.log?.format ?? DEFAULT_LOG.format,
      maxQueuedBytes: config.log?.maxQueuedBytes ?? DEFAULT_LOG.maxQueuedBytes,
      maxQueuedLines: config.log?.maxQueuedLines ?? DEFAULT_LOG.maxQueuedLines,
      slowRequestMs: config.log?.slowRequest ?? DEFAULT_LOG.slowRequestMs,
    },
    accessLog: accessLogSettings(config.accessLog),
    forwarding: {
      pseudonym: config.forwarding?.via ?? DEFAULT_FORWARDING.pseudonym,
      forwarded: config.forwarding?.forwarded ?? DEFAULT_FORWARDING.forwarded,
      trustForwarded: config.forwarding?.trustForwarded ?? DEFAULT_FORWARDING.trustForwarded,
      by: config.forwarding?.by === 'off' ? undefined : config.forwarding?.by,
      buffering: { ...DEFAULT_BUFFER_OPTIONS, ...config.forwarding?.buffering },
      paths: {
        normalize: config.forwarding?.normalizePaths ?? DEFAULT_FORWARDING.paths.normalize,
        ambiguous: config.forwarding?.ambiguousPaths ?? DEFAULT_FORWARDING.paths.ambiguous,
      },
    },
    errors: config.errors ?? 'brief',
    memory: { ...DEFAULT_MEMORY_OPTIONS, ...config.memory },
    shutdown: {
      delayMs: config.shutdown?.delay ?? DEFAULT_SHUTDOWN.delayMs,
      drainTimeoutMs: config.shutdown?.drainTimeout ?? DEFAULT_SHUTDOWN.drainTimeoutMs,
      keepAdmin: config.shutdown?.keepAdmin ?? DEFAULT_SHUTDOWN.keepAdmin,
      maxFaults: config.shutdown?.maxFaults ?? DEFAULT_SHUTDOWN.maxFaults,
      faultWindowMs: config.shutdown?.faultWindow ?? DEFAULT_SHUTDOWN.faultWindowMs,
    },
    transport: {
      defaults,
      origins,
      egress: config.egress ?? {},
      limits: config.limits ?? {},
      resolve: config.resolve ?? {},
      publicHosts: publicHosts(config, routes),
    },
    state: stateOptions(config.state),
    redis: redisSettings(config.state?.redis),
    qlog: config.qlog,
    dnsServers: config.dnsServers,
    resolver: config.resolver,
    origins: Object.entries(config.origins).flatMap(([name, { url, hostHeader, protection }]) =>
      egressesOf(name, routes).map(egress => ({
        name: nameThrough(name, egress),
        origin: egress === undefined ? url : throughEgress(url, egress),
        hostHeader: hostHeader ?? config.defaults?.hostHeader ?? 'origin',
        fairBy: fairByOf({ ...DEFAULT_PROTECTION_OPTIONS, ...config.defaults?.protection, ...protection }),
      })),
    ),
    routes,
    warnings,
  }
}

/** Its own, and those of routes that lead to it. */
function egressesOf(origin: string, routes: readonly RouteSettings[]): (string | undefined)[] {
  const named = routes.flatMap(({ action }) =>
    action.origin === origin && action.egress !== undefined ? [action.egress] : [],
  )
  return [undefined, ...new Set(named)]
}

function listenSettings({
  address,
  unix,
  mode = DEFAULT_UNIX_MODE,
  tls,
  protocols: spoken,
  http3,
  webTransport,
  fastOpen = 0,
  proxyProtocol = false,
}: ParsedConfig['listen'][number]): ListenSettings {
  const protocols: readonly Protocol[] = spoken ?? INGRESS_PROTOCOLS
  const altSvc = { ...DEFAULT_LISTEN_HTTP3.altSvc, ...http3?.altSvc }
  return {
    // The schema wants one of them.
    address: address ?? unixAddress(unix ?? ''),
    mode: unix === undefined ? undefined : mode,
    tls,
    protocols: INGRESS_PROTOCOLS.filter(protocol => protocols.includes(protocol)),
    http3: protocols.includes('h3') ? { ...DEFAULT_LISTEN_HTTP3, ...http3, altSvc } : undefined,
    webTransport:
      webTransport === undefined ? undefined : { ...DEFAULT_LISTEN_WEB_TRANSPORT, ...webTransport },
    fastOpen,
    proxyProtocol,
  }
}

/** A route that takes whole hosts names its origin in preconnect hints; of several the first. */
function publicHosts(config: ParsedConfig, routes: readonly RouteSettings[]): Record<string, string> {
  const hosts: Record<string, string> = {}
  for (const { host, path, conditions, action } of routes) {
    const key = config.origins[action.origin ?? '']?.url.key
    const isWhole = path.segments.length === 0 && path.tail.kind === 'any' && isUnconditional(conditions)
    // IPv6 in brackets is no name that a page would hint.
    if (key !== undefined && isWhole && host !== '*' && !host.startsWith('[')) hosts[host] ??= key
  }
  return hosts
}

function accessLogSettings(given: ParsedConfig['accessLog']): AccessLogSettings | undefined {
  if (given === undefined) return undefined
  const requestId = given.requestId ?? DEFAULT_ACCESS_LOG.requestId
  return {
    format: given.format ?? DEFAULT_ACCESS_LOG.format,
    to: given.to ?? DEFAULT_ACCESS_LOG.to,
    facility: given.facility ?? DEFAULT_ACCESS_LOG.facility,
    sample: given.sample ?? DEFAULT_ACCESS_LOG.sample,
    requestId: requestId === 'off' ? undefined : requestId,
    maxQueuedBytes: given.maxQueuedBytes ?? DEFAULT_ACCESS_LOG.maxQueuedBytes,
  }
}

function stateOptions(given: ParsedConfig['state']): StateOptions | undefined {
  if (given?.directory === undefined) return undefined
  const { directory, keyFile } = given
  return { directory, ...(keyFile !== undefined && { keyFile }) }
}

function redisSettings(given: RedisConfigOutput | undefined): RedisSettings | undefined {
  if (given === undefined) return undefined
  const { url, prefix, ca, cert, key, connectTimeout, answerTimeout, lease } = given
  const tls = {
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
  }
  return {
    url,
    prefix: prefix ?? DEFAULT_REDIS.prefix,
    tls: Object.keys(tls).length === 0 ? undefined : tls,
    connectTimeoutMs: connectTimeout ?? DEFAULT_REDIS.connectTimeoutMs,
    answerTimeoutMs: answerTimeout ?? DEFAULT_REDIS.answerTimeoutMs,
    leaseMs: lease ?? DEFAULT_REDIS.leaseMs,
  }
}

function fairByOf({ maxConnections, fairBy }: ProtectionOptions): FairBy {
  return maxConnections === 0 ? 'none' : fairBy
}

function adminSettings({
  address,
  unix,
  mode = DEFAULT_UNIX_MODE,
  tokens = {},
  tls,
}: NonNullable<ParsedConfig['admin']> = {}): AdminSettings {
  const { clientCa, changeNames: changers } = tls ?? {}
  const at = unix === undefined ? address : unixAddress(unix)
  return {
    address: at === 'off' ? undefined : (at ?? DEFAULT_ADMIN_ADDRESS),
    mode: unix === undefined ? undefined : mode,
    isExplicit: at !== undefined,
    tls: tls === undefined ? undefined : { cert: tls.cert, key: tls.key },
    access: { tokens, certificates: clientCa === undefined ? undefined : { clientCa, changers } },
  }
}
