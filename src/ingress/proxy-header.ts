import { isIPv4, isIPv6 } from 'node:net'

/** An end of a connection, as a header tells it. */
export interface ProxiedEnd {
  readonly address: string
  readonly port: number
}

/**
 * What the first bytes of a connection come to.
 * - `undecided`: they are the beginning of a header.
 * - `refused`: they are none, or one that is broken.
 * - `header`: it takes `length` bytes. `client` is undefined when the proxy speaks for itself (LOCAL,
 *   UNKNOWN), or for a client that has no IP address.
 */
export type ProxyHeaderVerdict =
  | { readonly kind: 'undecided' }
  | { readonly kind: 'refused'; readonly because: string }
  | { readonly kind: 'header'; readonly length: number; readonly client: ProxiedEnd | undefined }

/** The longest line of version 1, its end included. */
const MAX_LINE_BYTES = 107
/** Of a header of version 2, type-length-values included; nginx takes as much. */
export const MAX_PROXY_HEADER_BYTES = 4_096

const LINE_BEGINNING = Buffer.from('PROXY ', 'latin1')
const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
/** With the version, the command, the family and the length. */
const FIXED_BYTES = SIGNATURE.length + 4

const UNDECIDED: ProxyHeaderVerdict = { kind: 'undecided' }

/**
 * Reads a header of the PROXY protocol, version 1 or 2 (HAProxy's doc/proxy-protocol.txt), from the first
 * bytes of a connection.
 */
export function readProxyHeader(bytes: Buffer): ProxyHeaderVerdict {
  if (begins(bytes, LINE_BEGINNING)) return bytes.length < LINE_BEGINNING.length ? UNDECIDED : readLine(bytes)
  if (begins(bytes, SIGNATURE)) return bytes.length < FIXED_BYTES ? UNDECIDED : readBinary(bytes)
  return refused('the connection does not begin with a header')
}

/** All of `bytes` and `beginning` that lie side by side are the same. */
function begins(bytes: Buffer, beginning: Buffer): boolean {
  const length = Math.min(bytes.length, beginning.length)
  return bytes.compare(beginning, 0, length, 0, length) === 0
}

/** `PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n` */
function readLine(bytes: Buffer): ProxyHeaderVerdict {
  const end = bytes.subarray(0, MAX_LINE_BYTES).indexOf('\r\n')
  if (end < 0)
    return bytes.length < MAX_LINE_BYTES
      ? UNDECIDED
      : refused(`the line is longer than ${MAX_LINE_BYTES} bytes`)
  const length = end + 2
  const [, family, source = '', destination = '', sourcePort = '', destinationPort = '', ...rest] = bytes
    .toString('latin1', 0, end)
    .split(' ')
  if (family === 'UNKNOWN') return { kind: 'header', length, client: undefined }
  const isAddress = family === 'TCP4' ? isIPv4 : family === 'TCP6' ? isIPv6 : undefined
  if (isAddress === undefined) return refused('the family is none of TCP4, TCP6, UNKNOWN')
  const isWhole =
    rest.length === 0 && [source, destination].every(isAddress) && [sourcePort, destinationPort].every(isPort)
  if (!isWhole) return refused('the line does not hold two addresses and two ports')
  return { kind: 'header', length, client: { address: source, port: Number(sourcePort) } }
}

function isPort(text: string): boolean {
  return /^(?:0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65_535
}

function readBinary(bytes: Buffer): ProxyHeaderVerdict {
  const versionAndCommand = bytes.readUInt8(SIGNATURE.length)
  const family = bytes.readUInt8(SIGNATURE.length + 1) >> 4
  const length = FIXED_BYTES + bytes.readUInt16BE(SIGNATURE.length + 2)
  if (versionAndCommand >> 4 !== 2) return refused(`version ${versionAndCommand >> 4} is not known`)
  const command = versionAndCommand & 0xf
  if (command > 1) return refused(`command ${command} is not known`)
  if (length > MAX_PROXY_HEADER_BYTES)
    return refused(`the header is longer than ${MAX_PROXY_HEADER_BYTES} bytes`)
  if (bytes.length < length) return UNDECIDED
  if (command === 0) return { kind: 'header', length, client: undefined }
  return readAddresses(family, bytes.subarray(FIXED_BYTES, length), length)
}

/** Two addresses, two ports, and type-length-values that are not read. */
function readAddresses(family: number, block: Buffer, length: number): ProxyHeaderVerdict {
  switch (family) {
    case 1:
      if (block.length < 12) return refused('the addresses are cut off')
      return {
        kind: 'header',
        length,
        client: { address: block.subarray(0, 4).join('.'), port: block.readUInt16BE(8) },
      }
    case 2:
      if (block.length < 36) return refused('the addresses are cut off')
      return {
        kind: 'header',
        length,
        client: { address: ipv6Text(block.subarray(0, 16)), port: block.readUInt16BE(32) },
      }
    case 0:
    case 3:
      return { kind: 'header', length, client: undefined }
    default:
      return refused(`address family ${family} is not known`)
  }
}

/** As RFC 5952 writes it; an IPv4 address within IPv6 is one of IPv4. */
function ipv6Text(bytes: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(2 * i))
  if (groups.slice(0, 5).every(group => group === 0) && groups[5] === 0xffff)
    return bytes.subarray(12).join('.')
  // The URL parser shortens as RFC 5952 asks for.
  return new URL(`http://[${groups.map(group => group.toString(16)).join(':')}]/`).hostname.slice(1, -1)
}

function refused(because: string): ProxyHeaderVerdict {
  return { kind: 'refused', because: `PROXY protocol: ${because}` }
}
