import type { UnplacedFault } from './config-fault.ts'
import { nearestName } from './nearest-name.ts'
import { selectFaults } from './select-faults.ts'

/**
 * Faults between parts of a configuration that are right by themselves: a route to an origin that is not
 * there, one host and path twice, one URL under two names, a most below its least. Reads the unvalidated
 * value, so that they are found together with the faults of single values.
 */
export function crossFaults(config: unknown): UnplacedFault[] {
  const origins = mapping(mapping(config)?.['origins'])
  const faults: UnplacedFault[] = []
  if (origins !== undefined) duplicateUrls(origins, faults)
  faults.push(
    ...selectFaults(
      { path: ['defaults', 'select'], group: mapping(mapping(mapping(config)?.['defaults'])?.['select']) },
      Object.entries(origins ?? {}).map(([name, origin]) => ({
        path: ['origins', name, 'select'],
        group: mapping(mapping(origin)?.['select']),
      })),
    ),
  )
  const owners = new Map<string, string>()
  for (const [name, origin] of Object.entries(origins ?? {})) {
    for (const [index, host] of list(mapping(origin)?.['hosts']).entries()) {
      if (typeof host !== 'string') continue
      claim({ host, path: '/', origin: name }, ['origins', name, 'hosts', index], owners, faults)
    }
  }
  for (const [index, entry] of list(mapping(config)?.['routes']).entries()) {
    const route = mapping(entry)
    const name = route?.['origin']
    if (route === undefined || typeof name !== 'string') continue
    if (origins !== undefined && !Object.hasOwn(origins, name)) {
      const nearest = nearestName(name, Object.keys(origins))
      const hint =
        nearest === undefined ? `known: ${Object.keys(origins).join(', ')}` : `did you mean ${nearest}?`
      faults.push({
        path: ['routes', index, 'origin'],
        message: `no origin is called ${JSON.stringify(name)}; ${hint}`,
      })
    }
    const host = route['host'] ?? '*'
    const path = route['path'] ?? '/'
    if (typeof host === 'string' && typeof path === 'string') {
      claim({ host, path, origin: name }, ['routes', index], owners, faults)
    }
  }
  return faults
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

/** Saying twice that a host and path belong to the same origin is no contradiction. */
function claim(
  route: { host: string; path: string; origin: string },
  path: UnplacedFault['path'],
  owners: Map<string, string>,
  faults: UnplacedFault[],
): void {
  const prefix = route.path.replace(/\/+$/, '')
  const key = `${route.host.toLowerCase()} ${prefix}`
  const owner = owners.get(key)
  if (owner === undefined) owners.set(key, route.origin)
  else if (owner !== route.origin) {
    const place = `host ${route.host}, path ${prefix === '' ? '/' : prefix}`
    faults.push({ path, message: `${place} is routed to ${JSON.stringify(owner)} already` })
  }
}

function mapping(value: unknown): Readonly<Record<string, unknown>> | undefined {
  const isMapping = typeof value === 'object' && value !== null && !Array.isArray(value)
  return isMapping ? (value as Readonly<Record<string, unknown>>) : undefined // checked on the line above
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}
