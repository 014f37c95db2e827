import { ProtocolFault } from '../../multiplex/fault.ts'
import type { QpackError } from '../../qpack/qpack-error.ts'

/** The error codes of RFC 9114 8.1, RFC 9204 6 and RFC 9297 5.2. */
export const HTTP3_ERROR_CODES = {
  H3_NO_ERROR: 0x100,
  H3_GENERAL_PROTOCOL_ERROR: 0x101,
  H3_INTERNAL_ERROR: 0x102,
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
  H3_CONNECT_ERROR: 0x10f,
  H3_VERSION_FALLBACK: 0x110,
  H3_DATAGRAM_ERROR: 0x33,
  QPACK_DECOMPRESSION_FAILED: 0x200,
  QPACK_ENCODER_STREAM_ERROR: 0x201,
  QPACK_DECODER_STREAM_ERROR: 0x202,
} as const

export type Http3ErrorCode = keyof typeof HTTP3_ERROR_CODES

const NAMES = new Map<number, Http3ErrorCode>(
  Object.entries(HTTP3_ERROR_CODES).map(([name, code]) => [code, name as Http3ErrorCode]), // its own keys
)

/** RFC 9114 9: unknown codes, and those of grease (0x1f * N + 0x21), are to be treated as H3_NO_ERROR. */
export function http3ErrorCodeOf(wire: number): Http3ErrorCode {
  return NAMES.get(wire) ?? 'H3_NO_ERROR'
}

/**
 * The peer broke a rule that ends the connection (RFC 9114 8). Thrown inside http3/ only; the session turns
 * it into CONNECTION_CLOSE.
 */
export class Http3ConnectionFault extends ProtocolFault<Http3ErrorCode> {}

/**
 * The peer broke a rule that ends one stream (RFC 9114 8). Thrown inside http3/ only; the session resets the
 * stream.
 */
export class Http3StreamFault extends ProtocolFault<Http3ErrorCode> {}

const CODES: Readonly<Record<QpackError['kind'], Http3ErrorCode>> = {
  decompression: 'QPACK_DECOMPRESSION_FAILED',
  'encoder-stream': 'QPACK_ENCODER_STREAM_ERROR',
  'decoder-stream': 'QPACK_DECODER_STREAM_ERROR',
}

/** RFC 9204 6: each of them ends the connection. */
export function qpackFault(error: QpackError): Http3ConnectionFault {
  return new Http3ConnectionFault(CODES[error.kind], error.message)
}
