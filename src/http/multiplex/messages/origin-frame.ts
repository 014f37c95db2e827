import { isAuthority } from '../../../base/http/origin.ts'

/**
 * Origins that we read out of one frame, and that a set may have. A certificate with more names is rarer than
 * an attack.
 */
const MAX_ORIGINS = 256

const LENGTH_BYTES = 2

/**
 * Reads the payload `buffer[start, end)` of an ORIGIN frame (RFC 8336 2, RFC 9412 2). An entry that is no
 * origin is skipped (2.3), and so is one that the frame ends within.
 */
export function readOrigins(buffer: Buffer, start: number, end: number): string[] {
  const origins: string[] = []
  let pos = start
  for (let entries = 0; pos + LENGTH_BYTES <= end && entries < MAX_ORIGINS; entries++) {
    const entryStart = pos + LENGTH_BYTES
    pos = entryStart + buffer.readUInt16BE(pos)
    if (pos > end) break
    const origin = buffer.toString('latin1', entryStart, pos)
    if (isSerializedOrigin(origin)) origins.push(origin)
  }
  return origins
}

/** What a connection's origin set becomes with a further frame: none takes anything back (RFC 8336 2.3). */
export function addOrigins(
  set: readonly string[] | undefined,
  origins: readonly string[],
): readonly string[] {
  const known = set ?? []
  if (known.length >= MAX_ORIGINS) return known
  const news = origins.filter((origin, index) => !known.includes(origin) && origins.indexOf(origin) === index)
  return news.length === 0 ? known : [...known, ...news].slice(0, MAX_ORIGINS)
}

/** The payload of an ORIGIN frame. */
export function encodeOrigins(origins: readonly string[]): Buffer {
  const payload = Buffer.alloc(origins.reduce((bytes, origin) => bytes + LENGTH_BYTES + origin.length, 0))
  let pos = 0
  for (const origin of origins) {
    pos = payload.writeUInt16BE(origin.length, pos)
    pos += payload.write(origin, pos, 'latin1')
  }
  return payload
}

/** A scheme, a name of 253 characters and a port fit well. */
const MAX_ORIGIN_CHARS = 300

/**
 * Whether the text is the ASCII serialization of an origin that we could have (RFC 6454 6.2): http or https,
 * lower case, no path.
 */
export function isSerializedOrigin(text: string): boolean {
  if (text.length > MAX_ORIGIN_CHARS) return false
  const authorityAt = text.startsWith('https://') ? 8 : text.startsWith('http://') ? 7 : -1
  return authorityAt > 0 && text === text.toLowerCase() && isAuthority(text.slice(authorityAt))
}
