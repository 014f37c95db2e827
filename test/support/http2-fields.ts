/**
 * HPACK (RFC 7541) as far as a peer needs it that is no friend: literals without Huffman coding, whatever
 * they say, and the index of what was put into the dynamic table. Written for the tests alone.
 */
export type WireField = readonly [name: string, value: string]

/** Literals without indexing (RFC 7541 6.2.2): they leave no trace in the decoder. */
export function literals(...fields: readonly WireField[]): Buffer {
  return Buffer.concat(fields.map(([name, value]) => literal(0x00, name, value)))
}

/** A literal that goes into the dynamic table (RFC 7541 6.2.1). */
export function indexedLiteral(name: string, value: string): Buffer {
  return literal(0x40, name, value)
}

/** A reference to a table (RFC 7541 6.1). 62 is the newest entry of the dynamic one. */
export function reference(index: number): Buffer {
  return integer(0x80, 7, index)
}

/** A change of the table's size (RFC 7541 6.3). */
export function tableSize(bytes: number): Buffer {
  return integer(0x20, 5, bytes)
}

/** What a well-behaved client asks with; `extra` follows. */
export function requestBlock(path = '/', extra: readonly WireField[] = [], method = 'GET'): Buffer {
  return literals(
    [':method', method],
    [':scheme', 'http'],
    [':authority', 'origin.test'],
    [':path', path],
    ...extra,
  )
}

/** What a well-behaved origin answers with; `extra` follows. */
export function responseBlock(status = 200, extra: readonly WireField[] = []): Buffer {
  return literals([':status', String(status)], ...extra)
}

/**
 * The status of a response head, where it is the first field and not in the dynamic table: the peer said that
 * it keeps none (SETTINGS_HEADER_TABLE_SIZE 0).
 */
export function statusOf(block: Buffer): number | undefined {
  let at = 0
  // Changes of the table's size come first.
  while (((block[at] ?? 0) & 0xe0) === 0x20) at += (block[at] ?? 0) === 0x3f ? 2 : 1
  const first = block[at] ?? 0
  if (first >= 0x88 && first <= 0x8e) return [200, 204, 206, 304, 400, 404, 500][first - 0x88]
  // A literal whose name is entry 8 to 14 of the static table, `:status`, in 4 or 6 bits.
  const index = first & ((first & 0xc0) === 0x40 ? 0x3f : 0x0f)
  if (first >= 0x80 || index < 8 || index > 14) return undefined
  const length = block[at + 1] ?? 0
  const text = block.subarray(at + 2, at + 2 + (length & 0x7f))
  return Number(length >= 0x80 ? huffmanDigits(text) : text.toString('latin1'))
}

/** Digits in the Huffman code of RFC 7541 appendix B: 0 to 2 have 5 bits, 3 to 9 have 6. */
function huffmanDigits(bytes: Buffer): string {
  let bits = [...bytes].map(byte => byte.toString(2).padStart(8, '0')).join('')
  let digits = ''
  while (bits.length >= 5 && !/^1*$/.test(bits)) {
    const short = Number.parseInt(bits.slice(0, 5), 2)
    if (short <= 2) digits += short
    else digits += Number.parseInt(bits.slice(0, 6), 2) - 0b011001 + 3
    bits = bits.slice(short <= 2 ? 5 : 6)
  }
  return digits
}

function literal(pattern: number, name: string, value: string): Buffer {
  return Buffer.concat([Buffer.from([pattern]), string(name), string(value)])
}

function string(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1')
  return Buffer.concat([integer(0x00, 7, bytes.length), bytes])
}

/** RFC 7541 5.1: as many bits as fit behind the pattern, then seven at a time. */
function integer(pattern: number, prefixBits: number, value: number): Buffer {
  const max = 2 ** prefixBits - 1
  if (value < max) return Buffer.from([pattern | value])
  const bytes = [pattern | max]
  let rest = value - max
  while (rest >= 128) {
    bytes.push((rest % 128) | 128)
    rest = Math.floor(rest / 128)
  }
  bytes.push(rest)
  return Buffer.from(bytes)
}
