import { nearestName } from '../../base/nearest-name.ts'
import { DEFAULT_SELECT_OPTIONS } from '../../entry/options.ts'
import type { UnplacedFault } from './config-fault.ts'
import { formatListenAddress, type ListenAddress, parseListenAddress } from './fields/listen-address.ts'
import { parseDuration } from './fields/option-group.ts'

/**
 * Faults between parts of a configuration that are right by themselves: a route to an origin that is not
 * there, one host and path twice, one URL under two names, a most below its least. Reads the unvalidated
 * value, so that they are found together with the faults of single values.
 */
export function crossFaults(config: unknown): UnplacedFault[] {
  const origins = mapping(mapping(config)?.['origins'])
  const faults: UnplacedFault[] = []
  if (origins !== undefined) duplicateUrls(origins, faults)
  faults.push(...forwardFaults(mapping(config)))
  faults.push(...listenerFaults(mapping(config)))
  faults.push(
    ...selectFaults(
      { path: ['defaults', 'select'], group: mapping(mapping(mapping(config)?.['defaults'])?.['select']) },
      Object.entries(origins ?? {}).map(([name, origin]) => ({
        path: ['origins', name, 'select'],
        group: mapping(mapping(origin)?.['select']),
      })),
    ),
  )
  faults.push(...egressFaults(mapping(config), origins ?? {}))
  const owners = new Map<string, string>()
  for (const [name, origin] of Object.entries(origins ?? {})) {
    for (const [index, host] of list(mapping(origin)?.['hosts']).entries()) {
      if (typeof host !== 'string') continue
      claim(
        { host, place: 'path /', end: JSON.stringify(name) },
        ['origins', name, 'hosts', index],
        owners,
        faults,
      )
    }
  }
  for (const [index, entry] of list(mapping(config)?.['routes']).entries()) {
    const route = mapping(entry)
    if (route === undefined) continue
    const name = route['origin']
    if (typeof name === 'string' && origins !== undefined && !Object.hasOwn(origins, name)) {
      const nearest = nearestName(name, Object.keys(origins))
      const hint =
        nearest === undefined ? `known: ${Object.keys(origins).join(', ')}` : `did you mean ${nearest}?`
      faults.push({
        path: ['routes', index, 'origin'],
        message: `no origin is called ${JSON.stringify(name)}; ${hint}`,
      })
    }
    const mirror = mapping(route['mirror'])?.['origin']
    if (typeof mirror === 'string' && origins !== undefined && !Object.hasOwn(origins, mirror)) {
      const message = `no origin is called ${JSON.stringify(mirror)}; known: ${Object.keys(origins).join(', ')}`
      faults.push({ path: ['routes', index, 'mirror', 'origin'], message })
    }
    const hosts = typeof route['host'] === 'string' ? [route['host']] : list(route['host'] ?? ['*'])
    const place = placeOf(route)
    for (const host of hosts) {
      if (typeof host !== 'string') continue
      claim({ host, place, end: endOf(route) }, ['routes', index], owners, faults)
    }
  }
  return faults
}

/** Without a forward proxy there has to be an origin; and what one cannot have. */
function forwardFaults(config: Mapping | undefined): UnplacedFault[] {
  if (config === undefined) return []
  const { origins } = config
  const routes = list(config['routes']).map(mapping)
  const proxies = [...routes.entries()].filter(([, route]) => mapping(route?.['forward']) !== undefined)
  if (proxies.length === 0) {
    if (origins === undefined) return [{ path: ['origins'], message: 'missing: a mapping is needed' }]
    const isEmpty = Object.keys(mapping(origins) ?? { some: 1 }).length === 0
    return isEmpty ? [{ path: ['origins'], message: 'must have at least 1 origin' }] : []
  }
  const names = new Set<unknown>()
  const faults: UnplacedFault[] = []
  for (const [index, route] of proxies) {
    const name = route?.['name']
    if (name !== undefined && names.has(name)) {
      const message = 'another route with forward has this name: metrics could not tell them apart'
      faults.push({ path: ['routes', index, 'name'], message })
    }
    names.add(name)
    if (mapping(config['defaults'])?.['egress'] === undefined) continue
    const message = 'goes without defaults.egress: a proxy dials, and what it dials is not seen here'
    faults.push({ path: ['routes', index, 'forward'], message })
  }
  return faults
}

/** A way out that is named and not there; and one that leaves no protocol. */
function egressFaults(
  config: Mapping | undefined,
  origins: Readonly<Record<string, unknown>>,
): UnplacedFault[] {
  const names = Object.keys(mapping(config?.['egress']) ?? {})
  const own = Object.entries(origins).map(([name, origin]) => ({
    path: ['origins', name],
    group: mapping(origin),
  }))
  const ofRoutes = list(config?.['routes']).map((entry, index) => {
    const route = mapping(entry)
    const origin = mapping(origins[String(route?.['origin'])])
    const group: Mapping = { ...origin, egress: route?.['egress'] }
    return { path: ['routes', index], group }
  })
  const places = [{ path: ['defaults'], group: mapping(config?.['defaults']) }, ...own, ...ofRoutes]
  return places.flatMap(({ path, group }): UnplacedFault[] => {
    const egress = group?.['egress']
    if (typeof egress !== 'string') return []
    if (!names.includes(egress)) {
      const nearest = nearestName(egress, names)
      const known = names.length === 0 ? 'there is no egress' : `known: ${names.join(', ')}`
      const hint = nearest === undefined ? known : `did you mean ${nearest}?`
      return [
        { path: [...path, 'egress'], message: `no egress is called ${JSON.stringify(egress)}; ${hint}` },
      ]
    }
    const proxies = mapping(mapping(config?.['egress'])?.[egress])?.['proxies']
    if (proxies === undefined) return []
    const policy = mapping(group?.['balance'] ?? mapping(config?.['defaults'])?.['balance'])?.['policy']
    if (typeof policy === 'string' && policy !== 'in-order' && list(group?.['endpoints']).length > 1) {
      const message = `balance.policy ${policy} and proxies exclude each other: a proxy connects to the origin`
      return [{ path: [...path, 'egress'], message }]
    }
    const protocols = list(group?.['protocols'] ?? mapping(config?.['defaults'])?.['protocols'])
    if (protocols.length === 0 || protocols.some(protocol => protocol !== 'h3')) return []
    if (list(proxies).some(proxy => /^h[23]:/i.test(String(proxy)))) return []
    const message = 'HTTP/3 goes through h2 and h3 proxies only: allow h2 or http/1.1'
    return [{ path: [...path, 'egress'], message }]
  })
}

/** Two listeners, or a listener and the admin server, cannot have one address. */
function listenerFaults(config: Mapping | undefined): UnplacedFault[] {
  const known: { readonly address: ListenAddress; readonly what: string }[] = []
  const faults: UnplacedFault[] = []
  const claimAddress = (
    value: unknown,
    path: UnplacedFault['path'],
    what: string,
    isAdmin: boolean,
  ): void => {
    const parsed = typeof value === 'string' ? parseListenAddress(value) : undefined
    if (parsed === undefined || parsed.port === 0) return
    const address = isAdmin && parsed.host === '' ? { ...parsed, host: '127.0.0.1' } : parsed
    const other = known.find(one => overlap(one.address, address))
    if (other === undefined) known.push({ address, what })
    else {
      const taken = formatListenAddress(other.address)
      faults.push({
        path,
        message: `${other.what} has ${taken} already; give this one another port or address`,
      })
    }
  }
  const paths = new Map<string, string>()
  const claimPath = (unix: unknown, path: UnplacedFault['path'], what: string): void => {
    if (typeof unix !== 'string') return
    const other = paths.get(unix)
    if (other === undefined) paths.set(unix, what)
    else faults.push({ path, message: `${other} has ${unix} already; give this one another path` })
  }
  for (const [index, entry] of list(config?.['listen']).entries()) {
    const { address, unix } = mapping(entry) ?? {}
    claimPath(unix, ['listen', index, 'unix'], `listen[${index}]`)
    claimAddress(address, ['listen', index, 'address'], `listen[${index}]`, false)
  }
  const { address, unix } = mapping(config?.['admin']) ?? {}
  claimPath(unix, ['admin', 'unix'], 'the admin server')
  claimAddress(address, ['admin', 'address'], 'the admin server', true)
  return faults
}

const EVERY_ADDRESS: ReadonlySet<string> = new Set(['', '0.0.0.0', '::'])

function overlap(a: ListenAddress, b: ListenAddress): boolean {
  return a.port === b.port && (a.host === b.host || EVERY_ADDRESS.has(a.host) || EVERY_ADDRESS.has(b.host))
}

function duplicateUrls(origins: Readonly<Record<string, unknown>>, faults: UnplacedFault[]): void {
  const names = new Map<string, string>()
  for (const [name, origin] of Object.entries(origins)) {
    const url = mapping(origin)?.['url']
    if (typeof url !== 'string' || !URL.canParse(url)) continue
    const { origin: key } = new URL(url)
    const other = names.get(key)
    if (other === undefined) names.set(key, name)
    else {
      faults.push({
        path: ['origins', name, 'url'],
        message: `the same origin as ${JSON.stringify(other)}: one origin has one pool, so give it one name and several hosts`,
      })
    }
  }
}

/** What a route asks for beside the host. */
function placeOf(route: Mapping): string {
  const { path, pathPattern } = route
  const prefix = typeof path === 'string' ? path.replace(/\/+$/, '') : ''
  const where =
    typeof pathPattern === 'string' ? `pattern ${pathPattern}` : `path ${prefix === '' ? '/' : prefix}`
  const conditions = (['methods', 'headers', 'query'] as const).filter(name => route[name] !== undefined)
  return [where, ...conditions.map(name => `${name} ${JSON.stringify(route[name])}`)].join(', ')
}

/** What becomes of the requests of a route. */
function endOf({ origin, redirect, respond, forward, rewrite }: Mapping): string {
  const end = origin ?? redirect ?? respond ?? forward
  return `${JSON.stringify(end)}${rewrite === undefined ? '' : `, ${JSON.stringify(rewrite)}`}`
}

/** Saying twice that a host and path belong to the same origin is no contradiction. */
function claim(
  route: { host: string; place: string; end: string },
  path: UnplacedFault['path'],
  owners: Map<string, string>,
  faults: UnplacedFault[],
): void {
  const key = `${route.host.toLowerCase()} ${route.place}`
  const owner = owners.get(key)
  if (owner === undefined) owners.set(key, route.end)
  else if (owner !== route.end) {
    const message = `host ${route.host}, ${route.place} is routed to ${owner} already`
    faults.push({ path, message })
  }
}

export type Mapping = Readonly<Record<string, unknown>>

export function mapping(value: unknown): Mapping | undefined {
  const isMapping = typeof value === 'object' && value !== null && !Array.isArray(value)
  return isMapping ? (value as Mapping) : undefined // checked on the line above
}

export function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

/** Durations that must not exceed others, as a configuration spells them: [the smaller, the larger one]. */
const ORDER = [
  ['joinDelayMin', 'joinDelayMax'],
  ['brokenBase', 'brokenMax'],
] as const

/** Where a `select` group stands, as it was written. */
interface SelectPlace {
  readonly path: UnplacedFault['path']
  readonly group: Mapping | undefined
}

/**
 * Faults between the options of `select`. An origin's are laid over those of `defaults` and these over the
 * built-in ones, so that a value may be wrong only together with one from elsewhere: the fault stands at what
 * the group itself says. Values that are no durations have a fault of their own already.
 */
function selectFaults(defaults: SelectPlace, origins: readonly SelectPlace[]): UnplacedFault[] {
  const builtIn = Object.fromEntries(ORDER.flat().map(name => [name, DEFAULT_SELECT_OPTIONS[`${name}Ms`]]))
  const common = { ...builtIn, ...defaults.group }
  return [
    ...faultsOf(defaults, common),
    ...origins.flatMap(origin => faultsOf(origin, { ...common, ...origin.group })),
  ]
}

function faultsOf({ path, group }: SelectPlace, values: Mapping): UnplacedFault[] {
  if (group === undefined) return []
  return ORDER.flatMap(([smaller, larger]): UnplacedFault[] => {
    const own = [larger, smaller].find(name => group[name] !== undefined)
    const least = parseDuration(values[smaller])
    const most = parseDuration(values[larger])
    if (own === undefined || least === undefined || most === undefined || least <= most) return []
    return [
      {
        path: [...path, own],
        message: `${larger} (${most} ms) must not be below ${smaller} (${least} ms)`,
      },
    ]
  })
}
