import { isIP } from 'node:net'
import type { ResolvedAddress } from '../base/http/endpoint.ts'
import { isDnsName, normalName } from './records/dns-name.ts'

/** What is known of how the machine resolves names. */
interface NameSystem {
  readonly platform: string
  /** The text of nsswitch.conf; undefined: there is none. */
  readonly nsswitch: string | undefined
  /** The servers of resolv.conf. */
  readonly servers: readonly string[]
  /** Variables that make glibc resolve otherwise (resolver(3), hostname(7)), where one is set. */
  readonly variable: string | undefined
}

/** Where systemd-resolved listens: its answers are those that `resolve` would give (nss-resolve(8)). */
const RESOLVED = new Set(['127.0.0.53', '127.0.0.54'])

/**
 * Why only getaddrinfo knows the names of this machine; undefined: /etc/hosts and the DNS are all there is.
 * The order of the questions, and what counts as all there is, are those of Go's resolver (net/conf.go).
 */
export function systemOnlyBecause({ platform, nsswitch, servers, variable }: NameSystem): string | undefined {
  if (platform !== 'linux') return `names are resolved otherwise on ${platform}`
  if (variable !== undefined) return `${variable} is set`
  const sources = hostSources(nsswitch ?? '')
  // glibc without a word in nsswitch.conf: `files dns`.
  if (sources === undefined) return undefined
  const files = sources.indexOf('files')
  const dns = sources.findIndex(source => source === 'dns' || source === 'resolve')
  if (files < 0 || dns < 0 || files > dns) return 'nsswitch.conf does not have files before dns'
  for (const source of sources) {
    if (source === 'resolve' && !servers.every(server => RESOLVED.has(server)))
      return 'nsswitch.conf asks systemd-resolved, and resolv.conf other servers'
    if (!isKnown(source)) return `nsswitch.conf asks ${source.slice(0, 40)}`
  }
  return undefined
}

/**
 * Which single names only getaddrinfo knows: of the local link, by multicast, and what nss-myhostname(8)
 * makes up. Where nsswitch.conf has nothing of the kind, `.local` is a name as any other: clusters have
 * theirs under it.
 */
export function isForSystem(name: string, hostname: string, nsswitch: string | undefined): boolean {
  const sources = hostSources(nsswitch ?? '') ?? []
  const hasResolved = sources.includes('resolve')
  if (isUnder(name, 'local')) return hasResolved || sources.some(source => source.startsWith('mdns'))
  if (hasResolved && !name.includes('.')) return true
  const isMachine = name === hostname.toLowerCase() || name === '_gateway' || name === '_outbound'
  return isMachine && sources.includes('myhostname')
}

/** Whether a name is this machine whatever anybody says (RFC 6761 6.3). */
export function isLoopbackName(name: string): boolean {
  return isUnder(name, 'localhost')
}

export function isUnder(name: string, domain: string): boolean {
  return name === domain || name.endsWith(`.${domain}`)
}

/** The `hosts:` line without its conditions in brackets. */
function hostSources(text: string): string[] | undefined {
  const line = text.split('\n').find(each => /^\s*hosts\s*:/.test(each))
  if (line === undefined) return undefined
  const list = withoutComment(line, '#').replace(/\[[^\]]*\]/g, ' ')
  return list
    .slice(list.indexOf(':') + 1)
    .split(/\s+/)
    .filter(source => source !== '')
}

/**
 * mdns in all its forms answers for `.local` alone, as it is set up; myhostname for what isForSystem() has.
 */
function isKnown(source: string): boolean {
  return ['files', 'dns', 'resolve', 'myhostname'].includes(source) || /^mdns[46]?(?:_minimal)?$/.test(source)
}

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

/** Names in one table: lists that block advertisements have some hundred thousand. */
const MAX_NAMES = 500_000
/** Of one name, as many as a race over addresses could ever get through. */
const MAX_ADDRESSES = 32

/** What /etc/hosts says, by normal name. */
export type HostsTable = ReadonlyMap<string, readonly ResolvedAddress[]>

/**
 * Reads a hosts file (hosts(5)): an address and its names per line, `#` begins a comment. Addresses of a name
 * that stands on several lines add up, as they do for getaddrinfo. A line that cannot be read is passed over,
 * and so is an address with a zone, which no other machine could be reached under.
 */
export function parseHosts(text: string): HostsTable {
  const table = new Map<string, ResolvedAddress[]>()
  for (const line of text.split('\n')) {
    const [address, ...names] = withoutComment(line, '#').split(/[ \t]+/)
    const family = address === undefined || address.includes('%') ? 0 : isIP(address)
    if (address === undefined || (family !== 4 && family !== 6)) continue
    for (const each of names) {
      const name = normalName(each)
      const known = table.get(name)
      if (known === undefined) {
        if (table.size < MAX_NAMES) table.set(name, [{ address, family }])
      } else if (known.length < MAX_ADDRESSES && !known.some(other => other.address === address)) {
        known.push({ address, family })
      }
    }
  }
  return table
}

/** A line up to the first of these characters, without the blanks around it. */
function withoutComment(line: string, signs: string): string {
  let end = 0
  while (end < line.length && !signs.includes(line.charAt(end))) end++
  return line.slice(0, end).trim()
}
