/**
 * Just enough of DER (ITU-T X.690) to write a certificate: definite lengths, primitive and constructed
 * values. Nothing here reads DER: Node's own X509Certificate does that, and the tests hold what we write
 * against it.
 */

const INTEGER = 0x02
const BIT_STRING = 0x03
const OCTET_STRING = 0x04
const BOOLEAN = 0x01
const OBJECT_IDENTIFIER = 0x06
const UTF8_STRING = 0x0c
const GENERALIZED_TIME = 0x18
const UTC_TIME = 0x17
const SEQUENCE = 0x30
const SET = 0x31

/** Any value: tag, length, contents. */
function derValue(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(contents)
  if (body.length < 0x80) return Buffer.concat([Buffer.of(tag, body.length), body])
  const size: number[] = []
  for (let rest = body.length; rest > 0; rest = Math.floor(rest / 256)) size.unshift(rest & 0xff)
  return Buffer.concat([Buffer.of(tag, 0x80 | size.length, ...size), body])
}

export const derSequence = (...items: readonly Uint8Array[]): Buffer => derValue(SEQUENCE, ...items)

export const derSet = (...items: readonly Uint8Array[]): Buffer => derValue(SET, ...items)

/** A non-negative integer, most significant byte first. */
export function derInteger(bytes: Uint8Array): Buffer {
  let start = 0
  while (start < bytes.length - 1 && bytes[start] === 0) start++
  const digits = bytes.subarray(start)
  // Two's complement: a leading 1 bit would make it negative (X.690 8.3).
  const needsZero = digits.length === 0 || (digits[0] ?? 0) >= 0x80
  return derValue(INTEGER, needsZero ? Buffer.of(0) : Buffer.alloc(0), digits)
}

export const derBoolean = (value: boolean): Buffer => derValue(BOOLEAN, Buffer.of(value ? 0xff : 0))

export const derOctets = (bytes: Uint8Array): Buffer => derValue(OCTET_STRING, bytes)

/** `unusedBits` of the last byte do not count. */
export const derBits = (bytes: Uint8Array, unusedBits = 0): Buffer =>
  derValue(BIT_STRING, Buffer.of(unusedBits), bytes)

export const derText = (text: string): Buffer => derValue(UTF8_STRING, Buffer.from(text, 'utf8'))

/** `1.2.840.10045.2.1`: the first two arcs share a byte, the others are base 128 (X.690 8.19). */
export function derObjectIdentifier(dotted: string): Buffer {
  const [first = 0, second = 0, ...arcs] = dotted.split('.').map(Number)
  const bytes = [first * 40 + second]
  for (const arc of arcs) {
    const digits = [arc & 0x7f]
    for (let rest = Math.floor(arc / 128); rest > 0; rest = Math.floor(rest / 128)) {
      digits.unshift((rest & 0x7f) | 0x80)
    }
    bytes.push(...digits)
  }
  return derValue(OBJECT_IDENTIFIER, Buffer.from(bytes))
}

/** RFC 5280 4.1.2.5: two-digit years until 2049, four digits from then on. */
export function derTime(date: Date): Buffer {
  const digits = date.toISOString().replace(/[-:T]/g, '').slice(0, 14)
  if (date.getUTCFullYear() < 2050) return derValue(UTC_TIME, Buffer.from(`${digits.slice(2)}Z`, 'latin1'))
  return derValue(GENERALIZED_TIME, Buffer.from(`${digits}Z`, 'latin1'))
}

/** `[n]` around a constructed value, or in place of a primitive one's tag. */
export const derTagged = (n: number, constructed: boolean, contents: Uint8Array): Buffer =>
  derValue((constructed ? 0xa0 : 0x80) | n, contents)
