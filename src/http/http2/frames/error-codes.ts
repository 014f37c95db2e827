import { ProtocolFault } from '../../multiplex/fault.ts'

/** The error codes of RFC 9113 section 7. */
export const HTTP2_ERROR_CODES = {
  NO_ERROR: 0x0,
  PROTOCOL_ERROR: 0x1,
  INTERNAL_ERROR: 0x2,
  FLOW_CONTROL_ERROR: 0x3,
  SETTINGS_TIMEOUT: 0x4,
  STREAM_CLOSED: 0x5,
  FRAME_SIZE_ERROR: 0x6,
  REFUSED_STREAM: 0x7,
  CANCEL: 0x8,
  COMPRESSION_ERROR: 0x9,
  CONNECT_ERROR: 0xa,
  ENHANCE_YOUR_CALM: 0xb,
  INADEQUATE_SECURITY: 0xc,
  HTTP_1_1_REQUIRED: 0xd,
} as const

export type Http2ErrorCode = keyof typeof HTTP2_ERROR_CODES

const NAMES = Object.keys(HTTP2_ERROR_CODES) as Http2ErrorCode[] // in the order of their numbers, from 0 on

/** RFC 9113 7: an unknown code must not trigger special behavior, and may be treated as INTERNAL_ERROR. */
export function http2ErrorCodeOf(wire: number): Http2ErrorCode {
  return NAMES[wire] ?? 'INTERNAL_ERROR'
}

/**
 * The peer broke a rule that ends the connection (RFC 9113 5.4.1). Thrown inside http2/ only; the session
 * turns it into a GOAWAY.
 */
export class Http2ConnectionFault extends ProtocolFault<Http2ErrorCode> {}

/**
 * The peer broke a rule that ends one stream (RFC 9113 5.4.2). Thrown inside http2/ only; the session turns
 * it into an RST_STREAM.
 */
export class Http2StreamFault extends ProtocolFault<Http2ErrorCode> {}
