/** How CONNECT-UDP names its target: by a URI template (RFC 9298 2, RFC 6570). Pure. */

/** What a tunnel for datagrams leads to. */
export interface UdpTarget {
  /** A name or an address, without brackets. */
  readonly host: string
  readonly port: number
}

/** Where a proxy takes CONNECT-UDP unless it says otherwise (RFC 9298 2). */
export const DEFAULT_UDP_TEMPLATE = '/.well-known/masque/udp/{target_host}/{target_port}/'

type Variable = 'target_host' | 'target_port'
/** Text as it is on the wire, or what stands in its place. */
type Part = { readonly text: string } | { readonly variable: Variable }

const MAX_TEMPLATE_LENGTH = 1_024
/** What no path may be longer than: three characters for each of a name, and what is around them. */
const MAX_PATH_LENGTH = 4 * MAX_TEMPLATE_LENGTH
const EXPRESSION = /\{([?&]?)(target_host|target_port)(?:,(target_host|target_port))?\}/g
/** RFC 3986 3.3, 3.4: pchar, `/` and `?`. */
const LITERAL = /^(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/?]|%[0-9A-Fa-f]{2})*$/
/** What an expansion is made of (RFC 6570 3.2.2): unreserved characters and escapes. */
const VALUE = /(?:[A-Za-z0-9\-._~]|%[0-9A-Fa-f]{2})+/y

/** Names, and addresses without brackets. */
const HOST = /^[\w.:-]+$/

/** Read once per setting. */
export class UdpTemplate {
  readonly text: string
  readonly #parts: readonly Part[]

  private constructor(text: string, parts: readonly Part[]) {
    this.text = text
    this.#parts = parts
  }

  /** A string: what is wrong with it. */
  static parse(text: string): UdpTemplate | string {
    if (!text.startsWith('/')) return 'must be a path, and begin with /'
    if (text.length > MAX_TEMPLATE_LENGTH) return `must have at most ${MAX_TEMPLATE_LENGTH} characters`
    const parts: Part[] = []
    let at = 0
    for (const match of text.matchAll(EXPRESSION)) {
      const [whole, operator = '', first, second] = match
      parts.push({ text: text.slice(at, match.index) })
      at = match.index + whole.length
      if (operator === '' && second !== undefined) return `${whole} is not one variable`
      let separator = operator
      for (const name of [first, second]) {
        if (name === undefined) continue
        if (operator !== '') parts.push({ text: `${separator}${name}=` })
        parts.push({ variable: name as Variable }) // as: one of the two, by the expression
        separator = '&'
      }
    }
    parts.push({ text: text.slice(at) })
    return faultOf(parts) ?? new UdpTemplate(text, parts)
  }

  /** The path of a request for that target. Colons of an address are escaped, as all that is reserved is. */
  expand({ host, port }: UdpTarget): string {
    return this.#parts
      .map(part => {
        if ('text' in part) return part.text
        return part.variable === 'target_port' ? String(port) : encodeURIComponent(host)
      })
      .join('')
  }

  /** Undefined: it is another path. A string: why it names no target. */
  match(path: string): UdpTarget | string | undefined {
    if (path.length > MAX_PATH_LENGTH) return undefined
    const found: Partial<Record<Variable, string>> = {}
    let at = 0
    for (const part of this.#parts) {
      if ('text' in part) {
        if (!path.startsWith(part.text, at)) return undefined
        at += part.text.length
        continue
      }
      VALUE.lastIndex = at
      const value = VALUE.exec(path)?.[0]
      if (value === undefined) return undefined
      found[part.variable] = value
      at += value.length
    }
    if (at !== path.length) return undefined
    return targetOf(found.target_host ?? '', found.target_port ?? '')
  }
}

function faultOf(parts: readonly Part[]): string | undefined {
  const count = (name: Variable): number =>
    parts.filter(part => 'variable' in part && part.variable === name).length
  if (count('target_host') !== 1 || count('target_port') !== 1)
    return 'must have {target_host} and {target_port}, each of them once'
  const literals = parts.flatMap(part => ('text' in part ? [part.text] : []))
  if (!literals.every(text => LITERAL.test(text))) return 'has characters that no path has, or another {…}'
  // Without anything between them nobody could tell where the host ends.
  const first = parts.findIndex(part => 'variable' in part)
  const between = parts[first + 1]
  const isApart = between !== undefined && 'text' in between && /^[^A-Za-z0-9\-._~%]/.test(between.text)
  return isApart ? undefined : 'needs a / or another separator behind the first of its variables'
}

/** RFC 9298 3: neither is empty, and an address has no zone. */
function targetOf(hostValue: string, portValue: string): UdpTarget | string {
  let host: string
  try {
    host = decodeURIComponent(hostValue)
  } catch {
    return 'the host of the target has an escape that is no text'
  }
  if (host.includes('%')) return 'the address of the target has a zone'
  if (!HOST.test(host)) return 'the host of the target has characters of no name and no address'
  if (!/^[1-9]\d{0,4}$/.test(portValue) || Number(portValue) > 65_535) return 'the target has no usable port'
  return { host, port: Number(portValue) }
}
