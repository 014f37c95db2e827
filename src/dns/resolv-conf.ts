import { isIP } from 'node:net'
import { withoutComment } from './hosts-table.ts'
import { isDnsName, normalName } from './records/dns-name.ts'

/** What resolv.conf(5) says, as far as it is heeded. */
export interface ResolvConf {
  /** IP addresses, without ports. Empty: the file names none. */
  readonly servers: readonly string[]
  /** Normal names that are put behind a name, in this order. */
  readonly search: readonly string[]
  /** A name with fewer dots is asked for with the search domains first. */
  readonly ndots: number
}

/**
 * The limits of glibc (resolv/resolv.h: MAXNS, RES_MAXNDOTS); of search domains it has had none since 2.26.
 */
const MAX_SERVERS = 3
const MAX_NDOTS = 15
/** Each is a query for every name that does not exist. */
const MAX_SEARCH = 32

/**
 * Reads resolv.conf. `domain` and `search` exclude each other: the last one counts. `hostname` gives the
 * search domain where the file has none.
 */
export function parseResolvConf(text: string, hostname: string): ResolvConf {
  const servers: string[] = []
  const dot = hostname.indexOf('.')
  let search = dot < 0 ? [] : searchDomains([hostname.slice(dot + 1)])
  let ndots = 1
  for (const line of text.split('\n')) {
    if (line.startsWith('#') || line.startsWith(';')) continue
    const [keyword, ...values] = withoutComment(line, '#;').split(/[ \t]+/)
    if (keyword === 'nameserver') {
      const [server = ''] = values
      if (isIP(server) !== 0 && servers.length < MAX_SERVERS) servers.push(server)
    } else if (keyword === 'domain') search = searchDomains(values.slice(0, 1))
    else if (keyword === 'search') search = searchDomains(values)
    else if (keyword === 'options') {
      const given = values.findLast(value => /^ndots:\d+$/.test(value))
      if (given !== undefined) ndots = Math.min(MAX_NDOTS, Number(given.slice('ndots:'.length)))
    }
  }
  return { servers, search, ndots }
}

/** The root as a search domain is the name as it is, which is asked for in any case. */
function searchDomains(values: readonly string[]): string[] {
  const names = values.map(normalName).filter(name => name !== '.' && isDnsName(name))
  return names.slice(0, MAX_SEARCH)
}

/**
 * The names that are asked for a host, in the order of glibc's res_search: with enough dots as it is and then
 * with the search domains, else the other way round. A name that ends with a dot is absolute.
 */
export function candidateNames(host: string, { search, ndots }: ResolvConf): readonly string[] {
  const name = normalName(host)
  if (host.endsWith('.')) return [name]
  const longer = search.map(domain => `${name}.${domain}`).filter(isDnsName)
  const hasEnoughDots = name.split('.').length - 1 >= ndots
  return hasEnoughDots ? [name, ...longer] : [...longer, name]
}
