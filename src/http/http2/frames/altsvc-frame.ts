import { byteAt, classOf, VALUE } from '../../../base/http/char-tables.ts'
import { isSerializedOrigin } from '../../multiplex/messages/serialized-origin.ts'

/** What we read of one field value. An alternative has about 30 characters. */
const MAX_VALUE_BYTES = 4096

const LENGTH_BYTES = 2

/**
 * Reads the payload `buffer[start, end)` of an ALTSVC frame (RFC 7838 4). Undefined: it must be ignored,
 * because on stream 0 it names no origin, or on another one it does, or because it is malformed. `origin` is
 * '' for a frame on a stream: it is about the origin of that stream's request.
 */
export function readAltSvc(
  buffer: Buffer,
  start: number,
  end: number,
  streamId: number,
): { origin: string; value: string } | undefined {
  const originStart = start + LENGTH_BYTES
  if (originStart > end) return undefined
  const originEnd = originStart + buffer.readUInt16BE(start)
  if (originEnd > end || end - originEnd > MAX_VALUE_BYTES) return undefined
  if ((streamId === 0) === (originEnd === originStart)) return undefined
  const origin = buffer.toString('latin1', originStart, originEnd)
  if (origin !== '' && !isSerializedOrigin(origin)) return undefined
  for (let i = originEnd; i < end; i++) if (classOf(VALUE, byteAt(buffer, i)) !== 1) return undefined
  return { origin, value: buffer.toString('latin1', originEnd, end) }
}
