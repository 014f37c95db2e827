/**
 * `struct sockaddr_in` and `struct sockaddr_in6` of Linux: the family in the order of the machine (little
 * endian is all that we know, see quic/udp/socket-mode.ts), port and address in the order of the network.
 */
export const AF_INET = 2
export const AF_INET6 = 10
export const SOCKADDR_IN_BYTES = 16
export const SOCKADDR_IN6_BYTES = 28

const IPV6_BYTES = 16
const MAPPED_PREFIX = Buffer.from('00000000000000000000ffff', 'hex')

/** 4 or 16 bytes. Undefined: it is no IP address, or has a zone. */
export function addressBytes(host: string): Buffer | undefined {
  return host.includes(':') ? ipv6Bytes(host) : ipv4Bytes(host)
}

/**
 * 16 bytes, of IPv4 as the mapped address (RFC 4291 2.5.5.2), so that both families compare. Without its
 * zone; all zeros: it is no IP address.
 */
export function mappedAddressBytes(host: string): Buffer {
  const bytes = addressBytes(host.replace(/%.*$/, '')) ?? Buffer.alloc(IPV6_BYTES)
  return bytes.length === IPV6_BYTES ? bytes : Buffer.concat([MAPPED_PREFIX, bytes])
}

/** How many leading bits two addresses of one length have in common. */
export function commonBits(a: Uint8Array, b: Uint8Array): number {
  for (let at = 0; at < a.length; at++) {
    const difference = (a[at] ?? 0) ^ (b[at] ?? 0)
    if (difference !== 0) return at * 8 + Math.clz32(difference) - 24
  }
  return a.length * 8
}

/**
 * Writes the address for a socket of `family`, and returns the length. A socket for IPv6 sends to IPv4 by
 * mapped addresses (RFC 4291 2.5.5.2). 0: it is no address of that family.
 */
export function writeSocketAddress(
  into: Buffer,
  at: number,
  family: 4 | 6,
  address: Buffer,
  port: number,
): number {
  into.writeUInt16BE(port, at + 2)
  if (family === 4) {
    if (address.length !== 4) return 0
    into.writeUInt16LE(AF_INET, at)
    address.copy(into, at + 4)
    into.fill(0, at + 8, at + SOCKADDR_IN_BYTES)
    return SOCKADDR_IN_BYTES
  }
  into.writeUInt16LE(AF_INET6, at)
  into.writeUInt32LE(0, at + 4)
  if (address.length === 4) {
    MAPPED_PREFIX.copy(into, at + 8)
    address.copy(into, at + 8 + MAPPED_PREFIX.length)
  } else address.copy(into, at + 8)
  into.writeUInt32LE(0, at + 8 + IPV6_BYTES)
  return SOCKADDR_IN6_BYTES
}

/** Undefined: of another family. A link-local IPv6 address has its zone as a number, like `fe80::1%2`. */
export function readSocketAddress(
  from: Buffer,
  at: number,
): { readonly host: string; readonly port: number } | undefined {
  const family = from.readUInt16LE(at)
  const port = from.readUInt16BE(at + 2)
  if (family === AF_INET) return { host: ipv4Text(from, at + 4), port }
  if (family !== AF_INET6) return undefined
  const host = ipv6Text(from, at + 8)
  const zone = from.readUInt32LE(at + 8 + IPV6_BYTES)
  return { host: zone === 0 ? host : `${host}%${zone}`, port }
}

export function ipv4Text(bytes: Buffer, at: number): string {
  return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`
}

/** As inet_ntop and RFC 5952 write it: the longest run of two zero groups or more is left out. */
export function ipv6Text(bytes: Buffer, at: number): string {
  if (MAPPED_PREFIX.compare(bytes, at, at + MAPPED_PREFIX.length) === 0)
    return `::ffff:${ipv4Text(bytes, at + MAPPED_PREFIX.length)}`
  const groups: number[] = []
  for (let group = 0; group < 8; group += 1) groups.push(bytes.readUInt16BE(at + 2 * group))
  let runAt = -1
  let runLength = 1
  for (let group = 0; group < 8; group += 1) {
    let end = group
    while (end < 8 && groups[end] === 0) end += 1
    if (end - group > runLength) {
      runAt = group
      runLength = end - group
    }
    group = Math.max(group, end - 1)
  }
  const text = (part: readonly number[]): string => part.map(value => value.toString(16)).join(':')
  return runAt < 0
    ? text(groups)
    : `${text(groups.slice(0, runAt))}::${text(groups.slice(runAt + runLength))}`
}

function ipv4Bytes(host: string): Buffer | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(host)
  if (match === null) return undefined
  const parts = match.slice(1).map(Number)
  return parts.every(part => part <= 255) ? Buffer.from(parts) : undefined
}

function ipv6Bytes(host: string): Buffer | undefined {
  const halves = host.split('::')
  if (halves.length > 2) return undefined
  const [head, tail] = halves.map((half, index) => groupBytes(half, index === halves.length - 1))
  if (head === undefined || (halves.length === 2 && tail === undefined)) return undefined
  const missing = IPV6_BYTES - head.length - (tail?.length ?? 0)
  if (halves.length === 1 ? missing !== 0 : missing < 2) return undefined
  return Buffer.concat([Buffer.from(head), Buffer.alloc(missing), Buffer.from(tail ?? [])])
}

/** Groups without an omission; the last of an address may be IPv4. */
function groupBytes(text: string, isEnd: boolean): readonly number[] | undefined {
  if (text === '') return []
  const bytes: number[] = []
  const groups = text.split(':')
  for (const [index, group] of groups.entries()) {
    if (/^[\da-f]{1,4}$/i.test(group)) {
      const value = Number.parseInt(group, 16)
      bytes.push(value >> 8, value & 0xff)
      continue
    }
    const quad = isEnd && index === groups.length - 1 ? ipv4Bytes(group) : undefined
    if (quad === undefined) return undefined
    bytes.push(...quad)
  }
  return bytes
}
