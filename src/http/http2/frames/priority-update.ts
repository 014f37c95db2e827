import { MAX_PRIORITY_CHARS } from '../../multiplex/messages/priority.ts'
import { Http2ConnectionFault } from './error-codes.ts'

const STREAM_ID_BYTES = 4

/**
 * Reads the payload `buffer[start, end)` of a PRIORITY_UPDATE frame (RFC 9218 7.1). The value is latin1, not
 * yet parsed, and cut behind what parsePriority gives up at. Throws a Http2ConnectionFault when the stream id is
 * missing or 0.
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
