import { withoutComment } from './hosts-table.ts'

/** What is known of how the machine resolves names. */
export interface NameSystem {
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
