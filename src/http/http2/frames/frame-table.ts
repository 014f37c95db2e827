import type { Http2ErrorCode } from './error-codes.ts'

/** Frame types: RFC 9113 6, ALTSVC (RFC 7838 4), ORIGIN (RFC 8336), PRIORITY_UPDATE (RFC 9218 7.1). */
export const DATA = 0x0
export const HEADERS = 0x1
export const PRIORITY = 0x2
export const RST_STREAM = 0x3
export const SETTINGS = 0x4
export const PUSH_PROMISE = 0x5
export const PING = 0x6
export const GOAWAY = 0x7
export const WINDOW_UPDATE = 0x8
export const CONTINUATION = 0x9
export const ALTSVC = 0xa
export const ORIGIN = 0xc
export const PRIORITY_UPDATE = 0x10

export const END_STREAM = 0x1
export const ACK = 0x1
export const END_HEADERS = 0x4
export const PADDED = 0x8
export const HAS_PRIORITY = 0x20

export const FRAME_HEADER_BYTES = 9

/** What can be said of a frame from its header alone. */
interface FrameRule {
  readonly name: string
  /** Where it may stand: on a stream, on the connection (stream 0), or on either. */
  readonly place: 'stream' | 'connection' | 'either'
  /** The payload's length. */
  readonly minBytes: number
  readonly maxBytes: number
  /** The payload is a list of items of this size. */
  readonly multipleOf: number
}

const rule = (
  name: string,
  place: FrameRule['place'],
  minBytes = 0,
  maxBytes: number = Number.POSITIVE_INFINITY,
  multipleOf = 1,
): FrameRule => ({ name, place, minBytes, maxBytes, multipleOf })

/**
 * Indexed by type; what is not in it is an extension that we do not know, and ignored (RFC 9113 4.1, 5.5).
 */
const FRAME_RULES: readonly (FrameRule | undefined)[] = [
  rule('DATA', 'stream'), // 6.1
  rule('HEADERS', 'stream'), // 6.2
  rule('PRIORITY', 'stream', 5, 5), // 6.3
  rule('RST_STREAM', 'stream', 4, 4), // 6.4
  rule('SETTINGS', 'connection', 0, Number.POSITIVE_INFINITY, 6), // 6.5
  rule('PUSH_PROMISE', 'stream', 4), // 6.6
  rule('PING', 'connection', 8, 8), // 6.7
  rule('GOAWAY', 'connection', 8), // 6.8
  rule('WINDOW_UPDATE', 'either', 4, 4), // 6.9
  rule('CONTINUATION', 'stream'), // 6.10
  rule('ALTSVC', 'either'), // RFC 7838 4: misplaced ones are ignored by their reader
  undefined,
  rule('ORIGIN', 'either'), // RFC 8336 2.1: on a stream it is ignored
  undefined,
  undefined,
  undefined,
  rule('PRIORITY_UPDATE', 'connection', 4), // RFC 9218 7.1
]

/** What is wrong with the header of a frame, or undefined. */
export function judgeFrameHeader(
  type: number,
  streamId: number,
  bytes: number,
): { code: Http2ErrorCode; message: string } | undefined {
  const rule = FRAME_RULES[type]
  if (rule === undefined) return undefined
  if (rule.place === 'stream' && streamId === 0)
    return { code: 'PROTOCOL_ERROR', message: `${rule.name} on stream 0` }
  if (rule.place === 'connection' && streamId !== 0)
    return { code: 'PROTOCOL_ERROR', message: `${rule.name} on stream ${streamId}` }
  if (bytes < rule.minBytes || bytes > rule.maxBytes || bytes % rule.multipleOf !== 0)
    return { code: 'FRAME_SIZE_ERROR', message: `${rule.name} of ${bytes} bytes` }
  return undefined
}
