import type { WireField } from './http2-fields.ts'

/**
 * HTTP/3 (RFC 9114) and QPACK (RFC 9204) as far as a peer needs them that is no friend: frames that say
 * whatever they are told to, and field sections of literals. Written for the tests alone.
 */
export const FRAME = {
  DATA: 0x00,
  HEADERS: 0x01,
  CANCEL_PUSH: 0x03,
  SETTINGS: 0x04,
  PUSH_PROMISE: 0x05,
  GOAWAY: 0x07,
  MAX_PUSH_ID: 0x0d,
  PRIORITY_UPDATE: 0xf0700,
} as const

export const STREAM_TYPE = { CONTROL: 0x00, PUSH: 0x01, QPACK_ENCODER: 0x02, QPACK_DECODER: 0x03 } as const

export const SETTING = {
  QPACK_MAX_TABLE_CAPACITY: 0x01,
  MAX_FIELD_SECTION_SIZE: 0x06,
  QPACK_BLOCKED_STREAMS: 0x07,
  ENABLE_CONNECT_PROTOCOL: 0x08,
  H3_DATAGRAM: 0x33,
} as const

/** RFC 9114 8.1 and RFC 9204 6, copied from there. */
export const CODE = {
  H3_NO_ERROR: 0x100,
  H3_STREAM_CREATION_ERROR: 0x103,
  H3_CLOSED_CRITICAL_STREAM: 0x104,
  H3_FRAME_UNEXPECTED: 0x105,
  H3_FRAME_ERROR: 0x106,
  H3_EXCESSIVE_LOAD: 0x107,
  H3_ID_ERROR: 0x108,
  H3_SETTINGS_ERROR: 0x109,
  H3_MISSING_SETTINGS: 0x10a,
  H3_REQUEST_REJECTED: 0x10b,
  H3_REQUEST_CANCELLED: 0x10c,
  H3_REQUEST_INCOMPLETE: 0x10d,
  H3_MESSAGE_ERROR: 0x10e,
  H3_VERSION_FALLBACK: 0x110,
  QPACK_DECOMPRESSION_FAILED: 0x200,
  QPACK_ENCODER_STREAM_ERROR: 0x201,
  QPACK_DECODER_STREAM_ERROR: 0x202,
} as const

export type CodeName = keyof typeof CODE

/** What a code is called, for tables. */
export function codeName(code: number): string {
  return Object.entries(CODE).find(([, value]) => value === code)?.[0] ?? `0x${code.toString(16)}`
}

/** In its shortest form (RFC 9000 16), or in `bytes` bytes: 1, 2, 4 or 8. */
export function varint(
  value: number,
  bytes = value < 64 ? 1 : value < 16_384 ? 2 : value < 2 ** 30 ? 4 : 8,
): Buffer {
  const encoded = Buffer.alloc(8)
  encoded.writeBigUInt64BE(BigInt(value))
  const short = encoded.subarray(8 - bytes)
  short[0] = (short[0] ?? 0) | (Math.log2(bytes) << 6)
  return short
}

/** `length` is what the frame says of itself. */
export function frame(type: number, payload: Uint8Array = Buffer.alloc(0), length = payload.length): Buffer {
  return Buffer.concat([varint(type), varint(length), payload])
}

export function settings(values: readonly (readonly [id: number, value: number])[] = []): Buffer {
  return frame(FRAME.SETTINGS, Buffer.concat(values.flatMap(([id, value]) => [varint(id), varint(value)])))
}

/**
 * Literals with literal names (RFC 9204 4.5.6), without Huffman coding, behind a prefix that needs no table.
 */
export function fieldSection(...fields: readonly WireField[]): Buffer {
  return Buffer.concat([
    Buffer.of(0, 0),
    ...fields.flatMap(([name, value]) => [
      integer(0x20, 3, name.length),
      Buffer.from(name, 'latin1'),
      integer(0x00, 7, value.length),
      Buffer.from(value, 'latin1'),
    ]),
  ])
}

export function headers(...fields: readonly WireField[]): Buffer {
  return frame(FRAME.HEADERS, fieldSection(...fields))
}

/** What a well-behaved client asks with; `extra` follows. */
export function requestHeaders(path = '/', extra: readonly WireField[] = [], method = 'GET'): Buffer {
  return headers(
    [':method', method],
    [':scheme', 'https'],
    [':authority', 'localhost'],
    [':path', path],
    ...extra,
  )
}

/** What a well-behaved origin answers with; `extra` follows. */
export function responseHeaders(status = 200, extra: readonly WireField[] = []): Buffer {
  return headers([':status', String(status)], ...extra)
}

export function data(payload: string | Uint8Array): Buffer {
  return frame(FRAME.DATA, Buffer.from(payload as Uint8Array)) // Buffer.from has no overload for the union
}

/** Of QPACK (RFC 7541 5.1): `bits` of prefix in a byte that begins with `first`. */
export function integer(first: number, bits: number, value: number): Buffer {
  const full = 2 ** bits - 1
  if (value < full) return Buffer.of(first | value)
  const bytes = [first | full]
  let rest = value - full
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128)
  return Buffer.from([...bytes, rest])
}

/** QPACK encoder instructions (RFC 9204 4.3). */
export const insertLiteral = (name: string, value: string): Buffer =>
  Buffer.concat([
    integer(0x40, 5, name.length),
    Buffer.from(name, 'latin1'),
    integer(0x00, 7, value.length),
    Buffer.from(value, 'latin1'),
  ])
export const setCapacity = (bytes: number): Buffer => integer(0x20, 5, bytes)

/**
 * A section that refers to `count` insertions: entry `relative`, `times` over (RFC 9204 4.5.1, 4.5.2).
 * `maxEntries`: of the table.
 */
export function dynamicSection(count: number, maxEntries: number, relative: number, times: number): Buffer {
  const prefix = Buffer.concat([integer(0, 8, (count % (2 * maxEntries)) + 1), Buffer.of(0)])
  return Buffer.concat([prefix, ...Array.from({ length: times }, () => integer(0x80, 6, relative))])
}

/** A frame that came. Its payload may be cut: `length` is what it says. */
export interface WireFrame {
  type: number
  length: number
  payload: Buffer
}

/** The frames in what has come of a stream so far; the last one may be unfinished. */
export function splitFrames(bytes: Buffer): WireFrame[] {
  const frames: WireFrame[] = []
  let at = 0
  const next = (): number | undefined => {
    const first = bytes[at]
    if (first === undefined) return undefined
    const size = 1 << (first >> 6)
    if (at + size > bytes.length) return undefined
    let value = first & 0x3f
    for (let i = 1; i < size; i++) value = value * 256 + (bytes[at + i] ?? 0)
    at += size
    return value
  }
  while (at < bytes.length) {
    const type = next()
    const length = type === undefined ? undefined : next()
    if (type === undefined || length === undefined) break
    frames.push({ type, length, payload: bytes.subarray(at, at + length) })
    at += length
  }
  return frames
}
