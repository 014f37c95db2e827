import { describe, expect, it } from 'vitest'
import { HTTP3_ERROR_CODES, http3ErrorCodeOf } from '../../../../../src/http/http3/frames/error-codes.ts'

describe('error codes', () => {
  it('are those of RFC 9114 8.1, RFC 9204 6 and RFC 9297 5.2', () => {
    expect(HTTP3_ERROR_CODES).toEqual({
      H3_DATAGRAM_ERROR: 0x33,
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
      QPACK_DECOMPRESSION_FAILED: 0x200,
      QPACK_ENCODER_STREAM_ERROR: 0x201,
      QPACK_DECODER_STREAM_ERROR: 0x202,
    })
  })

  it('that are unknown, and grease, mean H3_NO_ERROR (RFC 9114 9)', () => {
    expect([0x10e, 0x21, 0x1f * 5 + 0x21, 0, 2 ** 60].map(http3ErrorCodeOf)).toEqual([
      'H3_MESSAGE_ERROR',
      ...Array.from({ length: 4 }, () => 'H3_NO_ERROR'),
    ])
  })
})
