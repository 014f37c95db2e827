import { TransportError } from '../errors.ts'

/**
 * A way out: what requests leave through that name it (`egress` of an origin). It has `proxies` or
 * `addresses`.
 *
 * @example
 * ```ts
 * const options: TransportOptions = {
 *   egress: {
 *     partner: { proxies: ['http://user:secret@proxy-1.example', 'socks5h://proxy-2.example'] },
 *     bulk: { addresses: ['192.0.2.7', '192.0.2.8', '2001:db8:7::/64'] },
 *   },
 *   origins: { 'https://origin.example': { egress: 'partner' } },
 * }
 * ```
 */
export interface EgressOptions {
  /**
   * Local addresses that connections leave from, one of each family at a time; the next one follows when it
   * fails. IP addresses of this machine, or prefixes (`2001:db8:7::/64`), from which an address is drawn: the
   * machine need not have it, only answer for it (docs/egress.md). What an origin has of a family that is not
   * among them is left out. Default: none; the kernel chooses.
   */
  addresses?: readonly string[] | undefined
  /**
   * Proxies, one of which carries new connections at a time; the next one follows when it fails. URLs of the
   * schemes `http` and `https` (CONNECT over HTTP/1.1, RFC 9110 9.3.6), `h2` and `h3` (CONNECT over HTTP/2
   * and HTTP/3: many tunnels over one connection), `socks5h` (SOCKS5, RFC 1928, the proxy resolves names)
   * and `socks5` (this machine does), with `user:password@` where the proxy asks for them. Port 1080 where
   * none is given, 443 where TLS is spoken to the proxy, as curl has it. Default: none; connections go
   * directly.
   */
  proxies?: readonly string[] | undefined
  /**
   * How long one proxy or address carries an origin's new connections before the next one does, give or take
   * a quarter; open connections stay. In ms. 0: until it fails. Default 120,000.
   */
  stickyMs?: number | undefined
  /**
   * PEM certificates that vouch for the proxies to which TLS is spoken. Default: Node's own list of
   * authorities.
   */
  ca?: string | readonly string[] | undefined
  /**
   * Where `h2` and `h3` proxies take tunnels for UDP, which carry HTTP/3: a URI template with `{target_host}`
   * and `{target_port}` (RFC 9298 2). Default `/.well-known/masque/udp/{target_host}/{target_port}/`.
   */
  udpTemplate?: string | undefined
}

/** The default of `stickyMs`. */
export const DEFAULT_STICKY_MS = 120_000

/** Of one way out. More are a mistake, and each costs a little memory per origin. */
export const MAX_PROXIES = 256
/** Of one way out, likewise. */
export const MAX_LOCAL_ADDRESSES = 256

/** A proxy, read from its URL. */
export interface ProxyServer {
  /** How it is asked for a tunnel: by CONNECT over HTTP/1.1, over HTTP/2 or HTTP/3, or by SOCKS5. */
  readonly kind: 'connect' | 'h2' | 'h3' | 'socks5'
  /** TLS is spoken to the proxy itself. */
  readonly isSecure: boolean
  /** A name or an address, without brackets. */
  readonly host: string
  readonly port: number
  /** It gets host names; else addresses. */
  readonly resolvesNames: boolean
  readonly credentials: { readonly user: string; readonly password: string } | undefined
  /** `socks5://proxy.example:1080`: for people. No credentials stand in it. */
  readonly name: string
}

const SCHEMES: Readonly<Record<string, Pick<ProxyServer, 'kind' | 'isSecure' | 'resolvesNames'>>> = {
  http: { kind: 'connect', isSecure: false, resolvesNames: true },
  https: { kind: 'connect', isSecure: true, resolvesNames: true },
  h2: { kind: 'h2', isSecure: true, resolvesNames: true },
  h3: { kind: 'h3', isSecure: true, resolvesNames: true },
  socks5h: { kind: 'socks5', isSecure: false, resolvesNames: true },
  socks5: { kind: 'socks5', isSecure: false, resolvesNames: false },
}

/** Where no port is given; WHATWG's URL would take 80 for HTTP, and could not tell it from none. */
const DEFAULT_PORT = 1080
const DEFAULT_TLS_PORT = 443
/** RFC 1929 has one byte for each length. */
const MAX_SOCKS_BYTES = 255

/**
 * Reads the URL of a proxy. Throws MM_INVALID_ARGUMENT; its message never holds the URL, which may have a
 * password.
 *
 * @example
 * ```ts
 * const { kind, host, port } = parseProxyUrl('socks5h://proxy.example:1080')
 * console.log(kind, host, port) // socks5 proxy.example 1080
 * ```
 */
export function parseProxyUrl(text: string): ProxyServer {
  const [, scheme = '', userInfo, v6, name, port] =
    /^([a-z0-9]+):\/\/(?:([^/?#]*)@)?(?:\[([^\]/?#@]+)\]|([^:[\]/?#@]+))(?::(\d{1,5}))?\/?$/i.exec(text) ?? []
  const host = v6 ?? name
  if (host === undefined) throw refused('must be scheme://[user:password@]host[:port]')
  const traits = Object.hasOwn(SCHEMES, scheme.toLowerCase()) ? SCHEMES[scheme.toLowerCase()] : undefined
  if (traits === undefined)
    throw refused(`has the scheme ${scheme}; there are ${Object.keys(SCHEMES).join(', ')}`)
  const isName = v6 === undefined ? /^[A-Za-z0-9._-]{1,253}$/.test(host) : URL.canParse(`http://[${host}]`)
  if (!isName) throw refused('has a host that is neither a name nor an address')
  const number = port === undefined ? (traits.isSecure ? DEFAULT_TLS_PORT : DEFAULT_PORT) : Number(port)
  if (number < 1 || number > 65_535) throw refused('has a port that is none')
  const at = v6 === undefined ? host.toLowerCase() : `[${host}]`
  const credentials = userInfo === undefined ? undefined : parseCredentials(userInfo, traits.kind)
  return {
    ...traits,
    host: host.toLowerCase(),
    port: number,
    credentials,
    name: `${scheme.toLowerCase()}://${at}:${number}`,
  }
}

function parseCredentials(userInfo: string, kind: ProxyServer['kind']): ProxyServer['credentials'] {
  const colon = userInfo.indexOf(':')
  let user: string
  let password: string
  try {
    user = decodeURIComponent(colon === -1 ? userInfo : userInfo.slice(0, colon))
    password = colon === -1 ? '' : decodeURIComponent(userInfo.slice(colon + 1))
  } catch {
    throw refused('has a user or password with a % that begins no escape')
  }
  // RFC 7617 2: the first colon ends the user; and neither part has control characters.
  if (/\p{Cc}/u.test(user + password) || (kind !== 'socks5' && user.includes(':')))
    throw refused('has a user or password that cannot be sent')
  const lengths = [user, password].map(part => Buffer.byteLength(part))
  if (kind === 'socks5' && (lengths[0] === 0 || lengths.some(length => length > MAX_SOCKS_BYTES)))
    throw refused(
      `needs a user, and ${MAX_SOCKS_BYTES} bytes at the most of user and password each (RFC 1929)`,
    )
  return { user, password }
}

function refused(because: string): TransportError {
  return new TransportError('MM_INVALID_ARGUMENT', `the URL of a proxy ${because}`)
}
