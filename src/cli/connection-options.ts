import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { networkInterfaces } from 'node:os'
import { parseLocalRange, SELECT_WORDS, type SelectOptions } from '../entry/options.ts'
import type { OriginOptions, TransportOptions } from '../index.ts'
import { protocolOption, usageError } from './parse-options.ts'
import { proxyFromEnvironment, withScheme } from './proxy-environment.ts'

/** The name of the way out that `--interface` makes. */
const LOCAL_EGRESS = 'interface'

/** The options that every command has which connects; spread into its own for parseOptions. */
export const CONNECTION_OPTIONS = {
  protocol: { type: 'string' },
  ca: { type: 'string' },
  insecure: { type: 'boolean', short: 'k' },
  resolve: { type: 'string', multiple: true },
  policy: { type: 'string' },
  'dns-server': { type: 'string', multiple: true },
  proxy: { type: 'string' },
  interface: { type: 'string' },
  state: { type: 'string' },
} as const

export const CONNECTION_HELP = `  --protocol P          auto, h3, h2 or http/1.1; auto lets the origin choose
                        (ALPN)
  --ca FILE             PEM certificates to trust instead of the usual ones
  -k, --insecure        goes on whatever certificate comes: anyone on the path
                        can read and change everything
  --resolve HOST:PORT:ADDR
                        connect to ADDR for that host and port; may be given
                        several times
  --policy P            auto, latency or efficiency: what the choice of a
                        protocol goes by
  --dns-server ADDR     asks ADDR or ADDR:PORT for names and HTTPS records
                        instead of the system's servers; may be given several
                        times
  --proxy URL           goes through this proxy: http, https, h2, h3, socks5 or
                        socks5h, with user:password@ where it asks; '' for
                        none. Default: https_proxy, http_proxy or all_proxy of
                        the environment, but for what no_proxy names, as curl
                        reads them
  --interface ADDR      connections leave from this local address, or from one
                        of that prefix (ADDR/LENGTH), or of that interface; not
                        together with a proxy
  --state DIR           what is learned of origins, and TLS tickets (sealed), is
                        kept in this private directory for the next time
`

/** To be said once, before anything else: nobody should leave this on by accident. */
export const INSECURE_WARNING =
  'certificates are not checked (--insecure): anyone on the path can read and change everything'

/**
 * What these options mean to a transport. `urls`: what will be asked for, each of which may have another
 * proxy by the environment.
 */
export function connectionOptions(
  values: {
    protocol?: string | undefined
    ca?: string | undefined
    insecure?: boolean | undefined
    resolve?: string[] | undefined
    policy?: string | undefined
    'dns-server'?: string[] | undefined
    state?: string | undefined
    proxy?: string | undefined
    interface?: string | undefined
  },
  urls: readonly string[] = [],
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Pick<TransportOptions, 'resolve' | 'dnsServers' | 'state' | 'egress' | 'origins'> & {
  defaults: OriginOptions
} {
  const protocol = protocolOption(values.protocol)
  const defaults: OriginOptions = {}
  if (protocol !== undefined) defaults.protocols = [protocol]
  if (values.ca !== undefined && values.insecure === true)
    throw usageError('--ca says whom to trust, and --insecure to trust everybody: give one of them')
  if (values.ca !== undefined) defaults.tls = { ca: readPem(values.ca) }
  if (values.insecure === true) defaults.tls = { rejectUnauthorized: false }
  if (values.policy !== undefined) defaults.select = { policy: policyOption(values.policy) }
  const exits = exitOptions(urls, values, environment)
  if (values.state === '') throw usageError('--state needs the name of a directory')
  return {
    defaults,
    resolve: resolveOption(values.resolve ?? []),
    ...(values['dns-server'] !== undefined && { dnsServers: values['dns-server'].map(dnsServerOption) }),
    ...(values.state !== undefined && { state: { directory: values.state } }),
    ...exits,
  }
}

/** What the URLs leave through: by origin, since a rehearsal before it knows of no way out. */
function exitOptions(
  urls: readonly string[],
  values: { readonly proxy?: string | undefined; readonly interface?: string | undefined },
  environment: Readonly<Record<string, string | undefined>>,
): Pick<TransportOptions, 'egress' | 'origins'> {
  const proxies = proxyOptions(urls, values.proxy, environment)
  if (values.interface === undefined) return proxies
  if (proxies.egress !== undefined)
    throw usageError(`--interface and a proxy exclude each other: say --proxy '' to go directly`)
  const addresses = localAddresses(values.interface)
  const origins = urls.map((url): [string, OriginOptions] => [new URL(url).origin, { egress: LOCAL_EGRESS }])
  return { egress: { [LOCAL_EGRESS]: { addresses } }, origins: Object.fromEntries(origins) }
}

/** What `--interface` names: an address, a prefix, or the addresses of an interface. */
function localAddresses(text: string): string[] {
  const ofInterface = networkInterfaces()[text]?.flatMap(({ address, scopeid = 0 }) =>
    // A link-local one is no use without its zone.
    scopeid === 0 ? [address] : [],
  )
  if (ofInterface !== undefined && ofInterface.length > 0) return ofInterface
  try {
    return [parseLocalRange(text).name]
  } catch (error) {
    const known = Object.keys(networkInterfaces()).join(', ')
    const because = error instanceof Error ? error.message : String(error)
    throw usageError(`--interface: ${because}; there are the interfaces ${known}`)
  }
}

/** Each proxy is a way out of its own, and each origin has the one of its URL. */
function proxyOptions(
  urls: readonly string[],
  given: string | undefined,
  environment: Readonly<Record<string, string | undefined>>,
): Pick<TransportOptions, 'egress' | 'origins'> {
  if (given === '') return {}
  const egress: Record<string, { proxies: string[] }> = {}
  const origins: Record<string, OriginOptions> = {}
  const names = new Map<string, string>()
  for (const url of urls) {
    const proxy = given === undefined ? proxyFromEnvironment(new URL(url), environment) : withScheme(given)
    if (proxy === undefined) continue
    const name = names.get(proxy) ?? `proxy-${names.size + 1}`
    names.set(proxy, name)
    egress[name] = { proxies: [proxy] }
    origins[new URL(url).origin] = { egress: name }
  }
  return names.size === 0 ? {} : { egress, origins }
}

function policyOption(text: string): SelectOptions['policy'] {
  const policy = SELECT_WORDS.policy.find(known => known === text)
  if (policy !== undefined) return policy
  throw usageError(`--policy must be one of ${SELECT_WORDS.policy.join(', ')}, not ${JSON.stringify(text)}`)
}

/**
 * `192.0.2.53`, `192.0.2.53:5353`, `[2001:db8::35]`, `[2001:db8::35]:53`; a bare IPv6 address gets its
 * brackets.
 */
function dnsServerOption(text: string): string {
  if (isIP(text) === 6) return `[${text}]`
  const [, v6, v4, port] = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text) ?? []
  const isAddress = v6 === undefined ? isIP(v4 ?? '') === 4 : isIP(v6) === 6
  if (isAddress && (port === undefined || (Number(port) > 0 && Number(port) <= 65_535))) return text
  throw usageError(`--dns-server must be an IP address with or without a port, not ${JSON.stringify(text)}`)
}

function readPem(file: string): string {
  let contents: string
  try {
    contents = readFileSync(file, 'utf8')
  } catch (error) {
    throw usageError(`--ca: cannot read the file: ${error instanceof Error ? error.message : String(error)}`)
  }
  if (!contents.includes('-----BEGIN CERTIFICATE-----'))
    throw usageError(`--ca: ${file} holds no PEM certificate`)
  return contents
}

function resolveOption(entries: readonly string[]): Record<string, string> {
  const addresses: Record<string, string> = {}
  for (const entry of entries) {
    const [, host, port, address] = /^([^:]+):(\d{1,5}):(.+)$/.exec(entry) ?? []
    if (host === undefined || port === undefined || address === undefined) {
      throw usageError(`--resolve must be HOST:PORT:ADDR, not ${JSON.stringify(entry)}`)
    }
    addresses[`${host.toLowerCase()}:${port}`] = address.replace(/^\[(.*)\]$/, '$1')
  }
  return addresses
}
