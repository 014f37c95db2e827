import { isIP } from 'node:net'
import { commonBits, mappedAddressBytes } from '../base/socket/socket-address.ts'

/**
 * What an address that is no public destination is for. By the special-purpose registries of IANA (RFC 6890
 * and its updates), and by what they leave out: multicast, and IPv6 that nobody has been given.
 */
export type SpecialUse =
  | 'this network'
  | 'private'
  | 'shared by a carrier (CGNAT)'
  | 'loopback'
  | 'link-local'
  | 'for protocols'
  | 'for documentation'
  | 'for benchmarks'
  | 'multicast'
  | 'reserved'
  | 'unspecified'
  | 'IPv4-mapped'
  | 'IPv4-compatible'
  | 'local NAT64'
  | 'discarded'
  | 'unique local'
  | 'site-local'
  | 'no address'

interface Block {
  readonly prefix: Uint8Array
  readonly bits: number
  readonly use: SpecialUse
}

const IPV4_BITS = 96

function block(prefix: string, bits: number, use: SpecialUse): Block {
  return { prefix: mappedAddressBytes(prefix), bits: prefix.includes(':') ? bits : IPV4_BITS + bits, use }
}

const IPV4: readonly Block[] = [
  block('0.0.0.0', 8, 'this network'),
  block('10.0.0.0', 8, 'private'),
  block('100.64.0.0', 10, 'shared by a carrier (CGNAT)'),
  block('127.0.0.0', 8, 'loopback'),
  block('169.254.0.0', 16, 'link-local'),
  block('172.16.0.0', 12, 'private'),
  block('192.0.0.0', 24, 'for protocols'),
  block('192.0.2.0', 24, 'for documentation'),
  block('192.88.99.0', 24, 'reserved'), // relays of 6to4, deprecated (RFC 7526)
  block('192.168.0.0', 16, 'private'),
  block('198.18.0.0', 15, 'for benchmarks'),
  block('198.51.100.0', 24, 'for documentation'),
  block('203.0.113.0', 24, 'for documentation'),
  block('224.0.0.0', 4, 'multicast'),
  block('240.0.0.0', 4, 'reserved'), // and the broadcast address
]

/** The longest prefix first where one lies within another. Those of global unicast come last. */
const IPV6: readonly Block[] = [
  block('::', 128, 'unspecified'),
  block('::1', 128, 'loopback'),
  block('::', 96, 'IPv4-compatible'), // deprecated (RFC 4291 2.5.5.1)
  block('64:ff9b:1::', 48, 'local NAT64'), // RFC 8215: leads into networks of its operator
  block('100::', 64, 'discarded'),
  block('fc00::', 7, 'unique local'),
  block('fe80::', 10, 'link-local'),
  block('fec0::', 10, 'site-local'),
  block('ff00::', 8, 'multicast'),
  block('2001:2::', 48, 'for benchmarks'),
  block('2001:10::', 28, 'for protocols'), // ORCHID, deprecated
  block('2001:db8::', 32, 'for documentation'),
  block('3fff::', 20, 'for documentation'),
]

const MAPPED = block('::ffff:0:0', 96, 'IPv4-mapped')
const NAT64 = block('64:ff9b::', 96, 'local NAT64')
const SIX_TO_FOUR = block('2002::', 16, 'for protocols')
const TEREDO = block('2001::', 32, 'for protocols')
/** What IANA gives out to networks (RFC 4291 2.4); all other IPv6 is special or nobody's. */
const GLOBAL_UNICAST = block('2000::', 3, 'reserved')
/** Of IETF protocols: what is reachable from everywhere within is named behind. */
const PROTOCOLS = block('2001::', 23, 'for protocols')
const GLOBAL_PROTOCOLS: readonly Block[] = [
  block('2001:1::1', 128, 'for protocols'), // Port Control Protocol
  block('2001:1::2', 128, 'for protocols'), // TURN
  block('2001:1::3', 128, 'for protocols'), // DNS-SD
  block('2001:3::', 32, 'for protocols'), // AMT
  block('2001:4:112::', 48, 'for protocols'), // AS112
  block('2001:20::', 28, 'for protocols'), // ORCHIDv2
  block('2001:30::', 28, 'for protocols'), // drones (RFC 9374)
]
/** Likewise of IPv4: 192.0.0.9 is the Port Control Protocol, 192.0.0.10 TURN. */
const GLOBAL_IPV4: readonly Block[] = [
  block('192.0.0.9', 32, 'for protocols'),
  block('192.0.0.10', 32, 'for protocols'),
]

/**
 * Why an address is no public destination; undefined: it is one. An IPv6 address that carries an IPv4 one
 * (NAT64, 6to4, Teredo) is what that is: a packet to it ends up there.
 */
export function specialUse(address: string): SpecialUse | undefined {
  // A zone is part of a link-local address, and of nothing that is reachable from elsewhere.
  if (address.includes('%')) return 'link-local'
  const family = isIP(address)
  if (family === 0) return 'no address'
  const bytes = mappedAddressBytes(address)
  return family === 4 ? specialIpv4(bytes) : specialIpv6(bytes)
}

function specialIpv4(bytes: Uint8Array): SpecialUse | undefined {
  if (GLOBAL_IPV4.some(one => isWithin(bytes, one))) return undefined
  return IPV4.find(one => isWithin(bytes, one))?.use
}

function specialIpv6(bytes: Uint8Array): SpecialUse | undefined {
  // A sender is not to use it on the wire (RFC 4291 2.5.5.2): whoever names it goes around lists of IPv4.
  if (isWithin(bytes, MAPPED)) return specialIpv4(bytes) ?? MAPPED.use
  if (isWithin(bytes, NAT64)) return carried(bytes, 12)
  const use = IPV6.find(one => isWithin(bytes, one))?.use
  if (use !== undefined) return use
  if (!isWithin(bytes, GLOBAL_UNICAST)) return GLOBAL_UNICAST.use
  if (isWithin(bytes, SIX_TO_FOUR)) return carried(bytes, 2)
  // RFC 4380 4: the server, and the client with its bits turned over.
  if (isWithin(bytes, TEREDO))
    return (
      carried(bytes, 4) ??
      carried(
        bytes.map((byte, at) => (at < 12 ? byte : byte ^ 0xff)),
        12,
      )
    )
  const isProtocol = isWithin(bytes, PROTOCOLS) && !GLOBAL_PROTOCOLS.some(one => isWithin(bytes, one))
  return isProtocol ? PROTOCOLS.use : undefined
}

/** Of the IPv4 address that begins at that byte. */
function carried(bytes: Uint8Array, at: number): SpecialUse | undefined {
  const mapped = mappedAddressBytes('0.0.0.0')
  mapped.set(bytes.subarray(at, at + 4), 12)
  return specialIpv4(mapped)
}

function isWithin(bytes: Uint8Array, { prefix, bits }: Block): boolean {
  return commonBits(bytes, prefix) >= bits
}
