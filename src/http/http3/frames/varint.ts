/** Variable-length integers (RFC 9000 16): 1, 2, 4 or 8 bytes, of which the first two bits tell how many. */

/** A place in bytes that were received. */
export interface VarintCursor {
  readonly buffer: Buffer
  at: number
  readonly end: number
}

/** What a number holds exactly; wire values go up to 2^62 - 1. Nothing that we take comes near. */
const MAX_EXACT = Number.MAX_SAFE_INTEGER

/**
 * Reads one and moves the cursor behind it; undefined, and not moved, when it is not there to its end. Values
 * above 2^53 - 1 come as Infinity, which no limit admits.
 */
export function readVarint(cursor: VarintCursor): number | undefined {
  const { buffer, at, end } = cursor
  if (at >= end) return undefined
  const first = buffer[at] as number // at < end
  const length = 1 << (first >> 6)
  if (at + length > end) return undefined
  cursor.at = at + length
  if (length === 1) return first
  if (length === 2) return ((first & 0x3f) << 8) | (buffer[at + 1] as number) // at + length <= end
  if (length === 4) return buffer.readUInt32BE(at) & 0x3fff_ffff
  const high = buffer.readUInt32BE(at) & 0x3fff_ffff
  const value = high * 2 ** 32 + buffer.readUInt32BE(at + 4)
  return value <= MAX_EXACT ? value : Number.POSITIVE_INFINITY
}

/** How many bytes the shortest form of the value takes. */
export function varintBytes(value: number): number {
  if (value < 0x40) return 1
  if (value < 0x4000) return 2
  return value < 0x4000_0000 ? 4 : 8
}

/** Writes the shortest form of a value up to 2^53 - 1 and returns where it ends. */
export function encodeVarint(buffer: Buffer, at: number, value: number): number {
  if (value < 0x40) {
    buffer[at] = value
    return at + 1
  }
  if (value < 0x4000) {
    buffer[at] = 0x40 | (value >> 8)
    buffer[at + 1] = value & 0xff
    return at + 2
  }
  if (value < 0x4000_0000) return buffer.writeUInt32BE((value | 0x8000_0000) >>> 0, at)
  const high = Math.floor(value / 2 ** 32)
  buffer.writeUInt32BE((high | 0xc000_0000) >>> 0, at)
  return buffer.writeUInt32BE(value % 2 ** 32, at + 4)
}
