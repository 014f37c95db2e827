import { TransportError } from '../errors.ts'
import { addressBytes, ipv4Text, ipv6Text } from '../socket/socket-address.ts'

/** A local address that connections leave from, or a prefix from which addresses are drawn. */
export interface LocalRange {
  readonly family: 4 | 6
  /** The address, or the first one of the prefix, as inet_ntop writes it. */
  readonly address: string
  /** 32 or 128: it is one address. */
  readonly prefixBits: number
  /** `192.0.2.7`, `2001:db8::/64`. */
  readonly name: string
}

/** What is longer is nobody's: a whole family, and more. */
const MIN_PREFIX_BITS = 8
/** `ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255/128`. */
const MAX_TEXT = 50

/**
 * Reads an address, or a prefix of addresses, that connections may leave from. Throws MM_INVALID_ARGUMENT for
 * what is neither, or not unicast.
 *
 * @example
 * ```ts
 * const { family, prefixBits } = parseLocalRange('2001:db8:7::/64')
 * console.log(family, prefixBits) // 6 64
 * ```
 */
export function parseLocalRange(text: string): LocalRange {
  const [, host = '', digits] = (text.length <= MAX_TEXT && /^([^/]*)(?:\/(\d{1,3}))?$/.exec(text)) || []
  const bytes = addressBytes(host)
  if (bytes === undefined) throw refused('must be an IP address, or ADDRESS/LENGTH', text)
  const width = bytes.length * 8
  const prefixBits = digits === undefined ? width : Number(digits)
  if (prefixBits < MIN_PREFIX_BITS || prefixBits > width)
    throw refused(`must have a prefix length from ${MIN_PREFIX_BITS} to ${width}`, text)
  const address = textOf(bytes)
  if (address.startsWith('::ffff:')) throw refused('must be written as IPv4', text)
  if (!isUnicast(bytes)) throw refused('must be an address that a connection can leave from', text)
  const first = Buffer.from(bytes)
  for (let bit = prefixBits; bit < width; bit += 1) setBit(first, bit, false)
  if (!first.equals(bytes))
    throw refused(`has bits behind its prefix: say ${textOf(first)}/${prefixBits}`, text)
  const name = prefixBits === width ? address : `${address}/${prefixBits}`
  return { family: width === 32 ? 4 : 6, address, prefixBits, name }
}

export function isPrefix({ family, prefixBits }: LocalRange): boolean {
  return prefixBits < (family === 4 ? 32 : 128)
}

/**
 * One address of the range, drawn by lot. Neither the first nor the last of a prefix, where it has more than
 * two: they are those of the network and of all its hosts (IPv4), and of any router (RFC 4291 2.6.1).
 * `random`: 0 to 1, as Math.random() gives it.
 */
export function drawAddress(range: LocalRange, random: () => number): string {
  const bytes = addressBytes(range.address)
  if (bytes === undefined || !isPrefix(range)) return range.address
  const width = bytes.length * 8
  const drawn: boolean[] = []
  for (let bit = range.prefixBits; bit < width; bit += 1) drawn.push(random() < 0.5)
  if (drawn.length > 1 && drawn.every(value => value === drawn[0])) drawn[drawn.length - 1] = !drawn[0]
  drawn.forEach((value, index) => setBit(bytes, range.prefixBits + index, value))
  return textOf(bytes)
}

function setBit(bytes: Buffer, bit: number, value: boolean): void {
  const mask = 0x80 >> (bit & 7)
  const byte = bytes[bit >> 3] ?? 0
  bytes[bit >> 3] = value ? byte | mask : byte & ~mask
}

function textOf(bytes: Buffer): string {
  return bytes.length === 4 ? ipv4Text(bytes, 0) : ipv6Text(bytes, 0)
}

/** RFC 1122 3.2.1.3, RFC 4291 2.5.2 and 2.7. */
function isUnicast(bytes: Buffer): boolean {
  const [first = 0] = bytes
  if (bytes.length === 4) return first !== 0 && first < 224
  return first !== 0xff && bytes.some(byte => byte !== 0)
}

function refused(because: string, text: string): TransportError {
  return new TransportError(
    'MM_INVALID_ARGUMENT',
    `a local address ${because}, not ${JSON.stringify(text.slice(0, MAX_TEXT))}`,
  )
}
