import { isIP } from 'node:net'
import { withinNetworks } from '../../dns/networks.ts'
import { combinedHeaderValue, type HeaderList } from '../../entry/dispatch.ts'
import { UNIX_SOCKET } from '../../ingress/unix-socket.ts'

/** What the hops in front of us report of a request, as Forwarded and X-Forwarded-* both say it. */
export interface ForwardedChain {
  /** One for each hop, the client's first, as `for` of Forwarded or an entry of X-Forwarded-For names it. */
  readonly nodes: readonly string[]
  /** As the first hop saw them; undefined: nobody said so. */
  readonly proto: string | undefined
  readonly host: string | undefined
}

export const NO_HOPS: ForwardedChain = { nodes: [], proto: undefined, host: undefined }

/**
 * Reads what a trusted peer sent. Where both families are there X-Forwarded-For counts: a proxy that knows
 * nothing of Forwarded (RFC 7239) passes on whatever a client wrote there.
 */
export function readChain(headers: HeaderList): ForwardedChain {
  const list = combinedHeaderValue(headers, 'x-forwarded-for')
  const proto = firstOf(combinedHeaderValue(headers, 'x-forwarded-proto'))
  const host = firstOf(combinedHeaderValue(headers, 'x-forwarded-host'))
  const forwarded = combinedHeaderValue(headers, 'forwarded')
  if (list === undefined && forwarded !== undefined) {
    const elements = splitOutsideQuotes(forwarded, ',').map(parametersOf)
    const first = elements[0]
    return {
      nodes: elements.map(element => bare(element.get('for') ?? 'unknown')),
      proto: first?.get('proto') ?? proto,
      host: first?.get('host') ?? host,
    }
  }
  const nodes = (list ?? '').split(',').map(node => bare(node.trim()))
  return { nodes: nodes.filter(node => node !== ''), proto, host }
}

/** The entries of X-Forwarded-For and the elements of Forwarded, for a chain that ends with the peer. */
export function forwardedElements({ nodes, proto, host }: ForwardedChain): string {
  return nodes
    .map((node, index) => {
      const parts = [`for=${quotedUnlessToken(node.includes(':') && isIP(node) === 6 ? `[${node}]` : node)}`]
      if (index === 0 && host !== undefined) parts.push(`host=${quotedUnlessToken(host)}`)
      if (index === 0 && proto !== undefined) parts.push(`proto=${quotedUnlessToken(proto)}`)
      return parts.join(';')
    })
    .join(', ')
}

/** RFC 7239 section 4: a value is a token or a quoted-string; a port makes it the latter. */
export function quotedUnlessToken(value: string): string {
  if (/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(value)) return value
  return `"${value.replace(/["\\]/g, '\\$&')}"`
}

function firstOf(value: string | undefined): string | undefined {
  const first = value?.split(',', 1)[0]?.trim()
  return first === '' ? undefined : first
}

/** `"[2001:db8::1]"` and `2001:db8::1` are one node. */
function bare(node: string): string {
  const match = /^\[([^\]]+)\]$/.exec(node)
  return match?.[1] ?? node
}

function parametersOf(element: string): ReadonlyMap<string, string> {
  const parameters = new Map<string, string>()
  for (const pair of splitOutsideQuotes(element, ';')) {
    const at = pair.indexOf('=')
    if (at === -1) continue
    const value = pair.slice(at + 1).trim()
    const isQuoted = value.length >= 2 && value.startsWith('"') && value.endsWith('"')
    parameters.set(
      pair.slice(0, at).trim().toLowerCase(),
      isQuoted ? value.slice(1, -1).replace(/\\(.)/g, '$1') : value,
    )
  }
  return parameters
}

function splitOutsideQuotes(text: string, separator: ',' | ';'): string[] {
  const parts: string[] = []
  let from = 0
  let isQuoted = false
  for (let i = 0; i < text.length; i++) {
    const char = text[i]
    if (char === '\\' && isQuoted) i++
    else if (char === '"') isQuoted = !isQuoted
    else if (char === separator && !isQuoted) {
      parts.push(text.slice(from, i).trim())
      from = i + 1
    }
  }
  parts.push(text.slice(from).trim())
  return parts.filter(part => part !== '')
}

/** Who is believed: everybody, nobody, or who comes from these networks, or over a Unix socket (`unix:`). */
export type TrustedPeers = boolean | readonly string[]

/** Whether a peer is believed, by its address. */
export function trustOf(peers: TrustedPeers): (address: string) => boolean {
  if (typeof peers === 'boolean') return () => peers
  const isWithin = withinNetworks(peers)
  const isUnixTrusted = peers.includes(UNIX_SOCKET)
  return address => isWithin(unmapped(address)) || (isUnixTrusted && address === UNIX_SOCKET)
}

/** An IPv4 address as itself where a socket of IPv6 has it. */
export function unmapped(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address
}
