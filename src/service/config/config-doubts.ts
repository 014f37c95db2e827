import { X509Certificate } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { originUrl } from '../../entry/dispatch.ts'
import {
  DEFAULT_CONCURRENCY_OPTIONS,
  DEFAULT_HEALTH_OPTIONS,
  DEFAULT_LIVENESS_OPTIONS,
  DEFAULT_OBJECTIVE_OPTIONS,
  DEFAULT_OUTLIER_OPTIONS,
  DEFAULT_POOL_OPTIONS,
  DEFAULT_RESOLVER_OPTIONS,
  DEFAULT_RETRY_OPTIONS,
  DEFAULT_SELECT_OPTIONS,
  DEFAULT_TIMEOUTS,
  onlyLaneOf,
  parseEndpointName,
} from '../../entry/options.ts'
import type { Protocol } from '../../index.ts'
import { DEFAULT_INGRESS_LIMITS } from '../../ingress/ingress-limits.ts'
import { shadowedRoutes } from '../routes/route-table.ts'
import { KNOWN_PROTOCOLS } from './built-features.ts'
import { formatPath, type UnplacedFault } from './config-fault.ts'
import { list, type Mapping, mapping } from './cross-faults.ts'
import { DEFAULT_SHUTDOWN, type ServiceSettings } from './service-settings.ts'

type Path = UnplacedFault['path']

/**
 * What a configuration says that cannot work, or not as its author thinks, though a service can start with
 * it: `--check` refuses it, and a service says it in its log and goes on, since a restart must not fail for a
 * certificate that has expired meanwhile. In the order of:
 * 1. HTTP/3 to an origin without TLS
 * 2. more warm connections than there may be
 * 3. certificates that are not valid now
 * 4. numbers of milliseconds that look like seconds
 * 5. health of endpoints that nothing follows from, and checks that no protocol of the origin can make
 * 6. routes that no request comes to, and protocols of routes that nobody can hold to
 * 7. a ceiling for a fleet that no origin has, and a floor without one
 */
export function configDoubts(config: unknown, settings: ServiceSettings, wallNow: number): UnplacedFault[] {
  const whole = mapping(config) ?? {}
  const places = optionPlaces(whole)
  return [
    ...places.flatMap(({ path, group }) => http3Doubts(path, group, mapping(whole['defaults']))), // 1
    ...places.flatMap(({ path, group }) => warmDoubts(path, group, mapping(whole['defaults']))), // 2
    ...certificateDoubts(whole, settings, wallNow), // 3
    ...secondsDoubts(['ingress'], mapping(whole['ingress']), DEFAULT_INGRESS_LIMITS), // 4
    ...secondsDoubts(['resolver'], mapping(whole['resolver']), DEFAULT_RESOLVER_OPTIONS),
    ...secondsDoubts(['shutdown'], mapping(whole['shutdown']), DEFAULT_SHUTDOWN),
    ...places.flatMap(({ path, group }) =>
      Object.entries(DURATION_GROUPS).flatMap(([name, defaults]) =>
        secondsDoubts([...path, name], mapping(group[name]), defaults),
      ),
    ),
    ...places.flatMap(({ path, group }) => healthDoubts(path, group, mapping(whole['defaults']))), // 5
    ...routeDoubts(settings), // 6
    ...routeProtocolDoubts(settings),
    ...fleetDoubts(places, settings), // 7
  ]
}

const DURATION_GROUPS: Readonly<Record<string, object>> = {
  pool: DEFAULT_POOL_OPTIONS,
  objective: DEFAULT_OBJECTIVE_OPTIONS,
  timeouts: DEFAULT_TIMEOUTS,
  retry: DEFAULT_RETRY_OPTIONS,
  concurrency: DEFAULT_CONCURRENCY_OPTIONS,
  select: DEFAULT_SELECT_OPTIONS,
  liveness: DEFAULT_LIVENESS_OPTIONS,
  health: DEFAULT_HEALTH_OPTIONS,
  outlier: DEFAULT_OUTLIER_OPTIONS,
}

/** `defaults`, and each origin. */
function optionPlaces(config: Mapping): { readonly path: Path; readonly group: Mapping }[] {
  const defaults = mapping(config['defaults'])
  const origins = Object.entries(mapping(config['origins']) ?? {})
  return [
    ...(defaults === undefined ? [] : [{ path: ['defaults'], group: defaults }]),
    ...origins.map(([name, origin]) => ({ path: ['origins', name], group: mapping(origin) ?? {} })),
  ]
}

function http3Doubts(path: Path, group: Mapping, defaults: Mapping | undefined): UnplacedFault[] {
  const { url } = group
  if (typeof url !== 'string' || !/^http:/i.test(url)) return []
  const own = list(group['protocols'])
  const message =
    'HTTP/3 needs TLS, and this origin is http://; write https:// in its url, or leave h3 out of protocols'
  const at = own.indexOf('h3')
  if (at !== -1) return [{ path: [...path, 'protocols', at], message }]
  const common = list(defaults?.['protocols'])
  const isOnly = own.length === 0 && common.length > 0 && common.every(protocol => protocol === 'h3')
  return isOnly ? [{ path: [...path, 'url'], message }] : []
}

function warmDoubts(path: Path, group: Mapping, defaults: Mapping | undefined): UnplacedFault[] {
  const own = mapping(group['pool'])
  const values = { ...DEFAULT_POOL_OPTIONS, ...mapping(defaults?.['pool']), ...own }
  const { warm, maxConnections } = values
  const at = (['warm', 'maxConnections'] as const).find(name => own?.[name] !== undefined)
  if (at === undefined || maxConnections === 0 || warm <= maxConnections) return []
  return [
    {
      path: [...path, 'pool', at],
      message: `warm (${warm}) is above maxConnections (${maxConnections}): no more than ${maxConnections} will be kept ready; raise maxConnections or lower warm`,
    },
  ]
}

function fleetDoubts(places: ReturnType<typeof optionPlaces>, settings: ServiceSettings): UnplacedFault[] {
  const protections = places.map(({ path, group }) => ({
    path,
    protection: mapping(group['protection']) ?? {},
  }))
  if (settings.redis === undefined)
    return protections
      .filter(({ protection }) => protection['floor'] !== undefined)
      .map(({ path }) => ({
        path: [...path, 'protection', 'floor'],
        message: 'is for when state.redis does not answer, which is not set: it changes nothing',
      }))
  if (protections.some(({ protection }) => Number(protection['maxConnections'] ?? 0) > 0)) return []
  const message = 'shares the ceilings of origins, and no origin has one; set protection.maxConnections'
  return [{ path: ['state', 'redis'], message }]
}

/** What each check needs of `protocols`. */
const CHECKED_OVER: Readonly<Record<string, readonly string[]>> = {
  grpc: ['h2', 'h3'],
  ping: ['h2', 'h3'],
  tcp: ['h2', 'http/1.1'],
}

function healthDoubts(path: Path, group: Mapping, defaults: Mapping | undefined): UnplacedFault[] {
  if (group['url'] === undefined) return [] // of `defaults` every origin makes what it can
  const doubts: UnplacedFault[] = []
  const endpoints = list(group['endpoints'])
  const policy =
    mapping(group['balance'])?.['policy'] ?? mapping(defaults?.['balance'])?.['policy'] ?? 'in-order'
  const idle =
    policy === 'in-order'
      ? 'balance.policy spreads no requests over endpoints'
      : 'the origin has fewer than two endpoints'
  const maySpread = endpoints.length > 1 || endpoints.some(isName)
  for (const name of ['health', 'outlier']) {
    if (group[name] === undefined || (policy !== 'in-order' && maySpread)) continue
    doubts.push({ path: [...path, name], message: `nothing follows from it, since ${idle}` })
  }
  const check = mapping(group['health'])?.['check']
  const needed = typeof check === 'string' ? CHECKED_OVER[check] : undefined
  const protocols = list(group['protocols'] ?? defaults?.['protocols'])
  if (needed !== undefined && protocols.length > 0 && !protocols.some(one => needed.includes(String(one)))) {
    const message = `a check by ${String(check)} needs ${needed.join(' or ')} among protocols`
    doubts.push({ path: [...path, 'health', 'check'], message })
  }
  return doubts
}

/** A host name may have any number of addresses. */
function isName(endpoint: unknown): boolean {
  const text = mapping(endpoint)?.['address'] ?? endpoint
  return typeof text === 'string' && parseEndpointName(text) !== undefined
}

function routeDoubts({ routes }: ServiceSettings): UnplacedFault[] {
  const definitions = routes.map(route => ({ ...route, target: route }))
  return shadowedRoutes(definitions).flatMap(({ route, by }) => {
    if (isDeepStrictEqual(route.target.action, by.target.action)) return []
    const message = `no request of host ${route.host} comes here: ${formatPath(by.target.at)} takes them all`
    return [{ path: route.target.at, message }]
  })
}

function routeProtocolDoubts({ routes, origins, transport }: ServiceSettings): UnplacedFault[] {
  return routes.flatMap(({ at, action }): UnplacedFault[] => {
    const { protocols } = action.limits
    const origin = origins.find(({ name }) => name === action.origin)?.origin
    if (protocols === undefined || origin === undefined) return []
    const usual: readonly Protocol[] = origin.scheme === 'https' ? KNOWN_PROTOCOLS : ['http/1.1']
    const { defaults = {}, origins: options = {} } = transport
    const found = onlyLaneOf(protocols, options[originUrl(origin)]?.protocols ?? defaults.protocols ?? usual)
    return typeof found === 'string' ? [{ path: [...at, 'protocols'], message: found }] : []
  })
}

/** It is no origin over again, for the egress of a route. */
function isPlain({ origin }: ServiceSettings['origins'][number]): boolean {
  return origin.egress === undefined
}

function certificateDoubts(
  config: Mapping,
  { listen, transport, origins }: ServiceSettings,
  wallNow: number,
): UnplacedFault[] {
  const doubts: UnplacedFault[] = []
  for (const [index, { tls }] of listen.entries())
    for (const [at, { cert }] of (tls?.certificates ?? []).entries())
      doubts.push(...validityDoubts(certificatePath(config, index, at), cert, wallNow))
  const places: [Path, { cert?: unknown; ca?: unknown } | undefined][] = [
    [['defaults', 'tls'], transport.defaults?.tls],
    ...origins
      .filter(isPlain)
      .map(({ name, origin }): [Path, { cert?: unknown; ca?: unknown } | undefined] => [
        ['origins', name, 'tls'],
        transport.origins?.[originUrl(origin)]?.tls,
      ]),
  ]
  for (const [path, tls] of places) {
    doubts.push(...validityDoubts([...path, 'cert'], tls?.cert, wallNow))
    for (const ca of Array.isArray(tls?.ca) ? tls.ca : [tls?.ca])
      doubts.push(...validityDoubts([...path, 'ca'], ca, wallNow, 'authority'))
  }
  return doubts
}

function certificatePath(config: Mapping, listener: number, certificate: number): Path {
  const written = mapping(mapping(list(config['listen'])[listener])?.['tls'])
  const path = ['listen', listener, 'tls']
  return written?.['certificates'] === undefined
    ? [...path, 'cert']
    : [...path, 'certificates', certificate, 'cert']
}

const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g

/** Of a chain the first one counts; of a bundle of authorities one that is valid is enough. */
function validityDoubts(
  path: Path,
  pem: unknown,
  wallNow: number,
  of: 'chain' | 'authority' = 'chain',
): UnplacedFault[] {
  if (typeof pem !== 'string') return []
  const all = (pem.match(PEM_CERTIFICATE) ?? []).flatMap(text => parsed(text) ?? [])
  const looked = of === 'chain' ? all.slice(0, 1) : all
  const faults = looked.flatMap(certificate => validityFault(certificate, wallNow) ?? [])
  const [message] = faults
  return message === undefined || faults.length < looked.length ? [] : [{ path, message }]
}

function parsed(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem)
  } catch {
    return undefined // OpenSSL has said so already
  }
}

/** Why a certificate is not valid now. */
export function validityFault(
  { validFrom, validTo, subject }: X509Certificate,
  wallNow: number,
): string | undefined {
  const name = subject.replaceAll('\n', ', ')
  if (Date.parse(validTo) < wallNow)
    return `the certificate of ${name} expired on ${day(validTo)}; put a new one here`
  if (Date.parse(validFrom) > wallNow)
    return `the certificate of ${name} is not valid before ${day(validFrom)}; look at the clock of this machine`
  return undefined
}

function day(time: string): string {
  return new Date(time).toISOString().slice(0, 10)
}

/** A bare number so far below the default is more often meant as seconds. */
const FAR_BELOW = 50

function secondsDoubts(path: Path, group: Mapping | undefined, defaults: object): UnplacedFault[] {
  return Object.entries(group ?? {}).flatMap(([name, value]): UnplacedFault[] => {
    const usual: unknown = Reflect.get(defaults, `${name}Ms`)
    if (typeof value !== 'number' || typeof usual !== 'number') return []
    if (value <= 0 || usual < 1_000 || value * FAR_BELOW >= usual) return []
    const message = `${value} is ${value} milliseconds; write ${value}s for seconds, or ${value}ms if that is meant`
    return [{ path: [...path, name], message }]
  })
}
