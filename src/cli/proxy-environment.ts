import { BlockList, isIP } from 'node:net'

/**
 * Which proxy a URL goes through by the environment, as curl reads it (curl(1), ENVIRONMENT): `http_proxy`,
 * `https_proxy`, else `all_proxy`; the lower-case name before the upper-case one, and HTTP_PROXY never, since
 * a CGI program has it from a client's Proxy field. `no_proxy` lists what goes directly. Undefined: directly.
 */
export function proxyFromEnvironment(
  url: URL,
  environment: Readonly<Record<string, string | undefined>>,
): string | undefined {
  const scheme = url.protocol.slice(0, -1)
  const read = (name: string): string | undefined => environment[name] ?? environment[name.toUpperCase()]
  const own = scheme === 'http' ? environment['http_proxy'] : read(`${scheme}_proxy`)
  const proxy = own ?? read('all_proxy')
  if (proxy === undefined || proxy === '') return undefined
  return isExempt(url.hostname, read('no_proxy') ?? '') ? undefined : withScheme(proxy)
}

/** `proxy.example:3128` is an HTTP proxy. */
export function withScheme(proxy: string): string {
  return proxy.includes('://') ? proxy : `http://${proxy}`
}

/** More is nobody's list. */
const MAX_ENTRIES = 1_000

/**
 * Whether `no_proxy` names the host: `*`; a name, which stands for what is below it as well, with or without
 * a dot before it; an address, or a network (`10.0.0.0/8`). Commas or spaces are between them.
 */
function isExempt(hostname: string, list: string): boolean {
  const host = hostname
    .replace(/^\[(.*)\]$/, '$1')
    .toLowerCase()
    .replace(/\.$/, '')
  const entries = list.split(/[\s,]+/, MAX_ENTRIES).filter(entry => entry !== '')
  if (list.trim() === '*') return true
  const family = isIP(host)
  return entries.some(entry => {
    if (family !== 0)
      return coversAddress(entry.replace(/^\[(.*)\]$/, '$1'), host, family === 4 ? 'ipv4' : 'ipv6')
    const name = entry.toLowerCase().replace(/^\./, '').replace(/\.$/, '')
    return name !== '' && (host === name || host.endsWith(`.${name}`))
  })
}

function coversAddress(entry: string, host: string, family: 'ipv4' | 'ipv6'): boolean {
  const [address = '', bits] = entry.split('/')
  const width = family === 'ipv4' ? 32 : 128
  if (isIP(address) !== (family === 'ipv4' ? 4 : 6)) return false
  const prefix = bits === undefined ? width : /^\d{1,3}$/.test(bits) ? Number(bits) : Number.NaN
  if (!(prefix >= 0 && prefix <= width)) return false
  const networks = new BlockList()
  networks.addSubnet(address, prefix, family)
  return networks.check(host, family)
}
