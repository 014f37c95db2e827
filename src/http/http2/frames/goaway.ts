import type { Goaway } from '../session.ts'
import { HTTP2_ERROR_CODES, type Http2ErrorCode, http2ErrorCodeOf } from './error-codes.ts'

/** Debug data is for a log line. */
const MAX_DEBUG_BYTES = 128

/** The payload of a GOAWAY of at least 8 bytes (RFC 9113 6.8). */
export function readGoaway(buffer: Buffer, start: number, end: number): Goaway {
  return {
    lastStreamId: buffer.readUInt32BE(start) & 0x7fffffff,
    code: http2ErrorCodeOf(buffer.readUInt32BE(start + 4)),
    debug: buffer
      .toString('latin1', start + 8, Math.min(end, start + 8 + MAX_DEBUG_BYTES))
      .replace(/[^\x20-\x7e]/g, '?'),
  }
}

export function encodeGoaway(lastStreamId: number, code: Http2ErrorCode, debug: string): Buffer {
  const text = debug.replace(/[^\x20-\x7e]/g, '?').slice(0, MAX_DEBUG_BYTES)
  const payload = Buffer.alloc(8 + text.length)
  payload.writeUInt32BE(lastStreamId, 0)
  payload.writeUInt32BE(HTTP2_ERROR_CODES[code], 4)
  payload.write(text, 8, 'latin1')
  return payload
}
