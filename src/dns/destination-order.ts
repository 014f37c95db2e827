import { createSocket } from 'node:dgram'
import { guardedListener } from '../base/guard.ts'
import type { ResolvedAddress } from '../base/http/endpoint.ts'
import { commonBits, mappedAddressBytes } from '../base/socket/socket-address.ts'
import { lookUpLiteral } from './addresses.ts'

/** A destination with the address that this machine would send from; undefined: it has no route. */
interface RoutedAddress<T extends ResolvedAddress> {
  readonly destination: T
  readonly source: string | undefined
}

interface Ranked<T extends ResolvedAddress> {
  readonly destination: T
  readonly bytes: Uint8Array
  readonly source: Uint8Array | undefined
  readonly index: number
}

/**
 * The policy table of RFC 6724 section 2.1, the longest prefix first: prefix, its length in bits, precedence,
 * label.
 */
const POLICIES: readonly (readonly [string, number, number, number])[] = [
  ['::1', 128, 50, 0],
  ['::ffff:0:0', 96, 35, 4],
  ['::', 96, 1, 3],
  ['2001::', 32, 5, 5],
  ['2002::', 16, 30, 2],
  ['3ffe::', 16, 1, 12],
  ['fec0::', 10, 1, 11],
  ['fc00::', 7, 3, 13],
  ['::', 0, 40, 1],
]
const POLICY_TABLE = POLICIES.map(([prefix, bits, precedence, label]) => ({
  prefix: mappedAddressBytes(prefix),
  bits,
  precedence,
  label,
}))
const MAPPED = mappedAddressBytes('::ffff:0:0')

const LINK_LOCAL = 0x2
const SITE_LOCAL = 0x5
const GLOBAL = 0xe
/**
 * More says how networks are numbered rather than how near they are (Go's net/addrselect.go stops there as
 * well).
 */
const MAX_PREFIX_BITS = 64

/**
 * The order in which destinations are tried (RFC 6724 section 6), for addresses that did not come from
 * getaddrinfo. Left out, since nobody reports what they need: rules 3 (deprecated addresses), 4 (home
 * addresses), 7 (tunnels); and rule 9 for IPv4, whose servers' order is meant (round robin).
 */
export function orderDestinations<T extends ResolvedAddress>(addresses: readonly RoutedAddress<T>[]): T[] {
  const ranked = addresses.map(({ destination, source }, index) => ({
    destination,
    bytes: mappedAddressBytes(destination.address),
    source: source === undefined ? undefined : mappedAddressBytes(source),
    index,
  }))
  return ranked.toSorted(compare).map(({ destination }) => destination)
}

function compare<T extends ResolvedAddress>(a: Ranked<T>, b: Ranked<T>): number {
  const { source: from } = a
  const { source: other } = b
  // 1: avoid unusable destinations.
  if (from === undefined || other === undefined)
    return Number(from === undefined) - Number(other === undefined) || a.index - b.index
  const [policyA, policyB] = [policyOf(a.bytes), policyOf(b.bytes)]
  const [scopeA, scopeB] = [scopeOf(a.bytes), scopeOf(b.bytes)]
  return (
    Number(scopeB === scopeOf(other)) - Number(scopeA === scopeOf(from)) || // 2: prefer matching scope
    Number(policyB.label === policyOf(other).label) - Number(policyA.label === policyOf(from).label) || // 5
    policyB.precedence - policyA.precedence || // 6
    scopeA - scopeB || // 8: prefer smaller scope
    commonIpv6Bits(b, other) - commonIpv6Bits(a, from) || // 9
    a.index - b.index // 10
  )
}

function commonIpv6Bits<T extends ResolvedAddress>(
  { destination, bytes }: Ranked<T>,
  source: Uint8Array,
): number {
  return destination.family === 6 ? Math.min(MAX_PREFIX_BITS, commonBits(bytes, source)) : 0
}

function policyOf(address: Uint8Array): { readonly precedence: number; readonly label: number } {
  const found = POLICY_TABLE.find(({ prefix, bits }) => commonBits(prefix, address) >= bits)
  return found ?? { precedence: 0, label: -1 }
}

/** Section 3.1, and 3.2 for IPv4. */
function scopeOf(address: Uint8Array): number {
  const [first = 0, second = 0] = address
  if (isMappedIpv4(address)) {
    const [high, next] = [address[12], address[13]]
    return high === 127 || (high === 169 && next === 254) ? LINK_LOCAL : GLOBAL
  }
  if (first === 0xff) return second & 0xf
  const isLoopback = address.every((byte, at) => byte === (at === 15 ? 1 : 0))
  if (isLoopback || (first === 0xfe && (second & 0xc0) === 0x80)) return LINK_LOCAL
  return first === 0xfe && (second & 0xc0) === 0xc0 ? SITE_LOCAL : GLOBAL
}

function isMappedIpv4(address: Uint8Array): boolean {
  return commonBits(address, MAPPED) >= 96
}

/** Beyond that nobody tries them all; they stay where they are. */
const MAX_ORDERED = 16
/** The port does not matter: nothing is sent. */
const DISCARD_PORT = 9
const DURING = 'asking for a source address'

/**
 * Addresses in the order of RFC 6724, by the routes of this machine. Of one IPv4 network nothing is asked:
 * the order of the answer is the servers' own, who share load by it.
 */
export async function orderByRoutes(
  addresses: readonly ResolvedAddress[],
): Promise<readonly ResolvedAddress[]> {
  if (addresses.length < 2 || addresses.every(({ family }) => family === 4)) return addresses
  const routed = await Promise.all(addresses.slice(0, MAX_ORDERED).map(withSource))
  return [...orderDestinations(routed), ...addresses.slice(MAX_ORDERED)]
}

/** A datagram socket that is connected sends nothing, and reports which address it would send from. */
function withSource(destination: ResolvedAddress): Promise<RoutedAddress<ResolvedAddress>> {
  return new Promise(resolve => {
    const socket = createSocket({ type: destination.family === 6 ? 'udp6' : 'udp4', lookup: lookUpLiteral })
    socket.unref()
    let isOver = false
    const settle = (source: string | undefined): void => {
      if (isOver) return
      isOver = true
      resolve({ destination, source })
      socket.close()
    }
    const settleUnknown = (): void => settle(undefined)
    const onConnected = (error?: Error | null): void => {
      // A zone is part of a link-local address.
      settle(error === undefined || error === null ? socket.address().address.replace(/%.*$/, '') : undefined)
    }
    socket.on('error', guardedListener(DURING, settleUnknown, settleUnknown))
    socket.connect(DISCARD_PORT, destination.address, guardedListener(DURING, onConnected, settleUnknown))
  })
}
