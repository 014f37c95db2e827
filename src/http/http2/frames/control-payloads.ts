import { MAX_PRIORITY_CHARS } from '../../multiplex/messages/priority.ts'
import type { Goaway } from '../session.ts'
import {
  HTTP2_ERROR_CODES,
  Http2ConnectionFault,
  type Http2ErrorCode,
  http2ErrorCodeOf,
} from './error-codes.ts'

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

const STREAM_ID_BYTES = 4

/**
 * Reads the payload `buffer[start, end)` of a PRIORITY_UPDATE frame (RFC 9218 7.1). The value is latin1, not
 * yet parsed, and cut behind what parsePriority gives up at. Throws a Http2ConnectionFault when the stream id
 * is missing or 0.
 */
export function readPriorityUpdate(
  buffer: Buffer,
  start: number,
  end: number,
): { streamId: number; value: string } {
  const valueStart = start + STREAM_ID_BYTES
  if (valueStart > end) {
    throw new Http2ConnectionFault('FRAME_SIZE_ERROR', 'a PRIORITY_UPDATE has no room for its stream id')
  }
  const streamId = buffer.readUInt32BE(start) & 0x7fff_ffff
  if (streamId === 0)
    throw new Http2ConnectionFault('PROTOCOL_ERROR', 'a PRIORITY_UPDATE prioritizes stream 0')
  const valueEnd = Math.min(end, valueStart + MAX_PRIORITY_CHARS + 1)
  return { streamId, value: buffer.toString('latin1', valueStart, valueEnd) }
}
