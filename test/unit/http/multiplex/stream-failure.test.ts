import { describe, expect, it } from 'vitest'
import type { StreamReset } from '../../../../src/http/multiplex/stream.ts'
import { sessionFailure, streamFailure } from '../../../../src/http/multiplex/stream-failure.ts'

describe('the end of a stream', () => {
  it.each([
    ['unprocessed', 'REFUSED_STREAM', 'MM_REFUSED', 'no', 'MM_STREAM_RESET'],
    ['unprocessed', 'NO_ERROR', 'MM_REFUSED', 'no', 'MM_STREAM_RESET'],
    ['needs-http1', 'HTTP_1_1_REQUIRED', 'MM_HTTP11_REQUIRED', 'no', 'MM_STREAM_RESET'],
    ['peer', 'CANCEL', 'MM_STREAM_RESET', 'unknown', 'MM_STREAM_RESET'],
    ['broken', 'PROTOCOL_ERROR', 'MM_PROTOCOL_ERROR', 'unknown', 'MM_PROTOCOL_ERROR'],
    ['limit', 'ENHANCE_YOUR_CALM', 'MM_HEADER_LIMIT', 'unknown', 'MM_HEADER_LIMIT'],
    ['invalid', 'INTERNAL_ERROR', 'MM_INVALID_ARGUMENT', 'unknown', 'MM_INVALID_ARGUMENT'],
    ['session', 'NO_ERROR', 'MM_CONNECTION_CLOSED', 'unknown', 'MM_CONNECTION_CLOSED'],
  ] as [StreamReset['cause'], StreamReset['code'], string, string, string][])(
    'by %s with %s becomes %s (processed: %s), and %4$s once an answer had begun',
    (cause, code, before, processed, after) => {
      const reset = { cause, code, isError: code !== 'NO_ERROR', message: `it said ${code}` }
      expect(streamFailure(reset, false)).toMatchObject({ code: before, processed })
      expect(streamFailure(reset, true)).toMatchObject({ code: after, processed: 'yes' })
      expect(streamFailure(reset, false).message).toContain(code)
    },
  )
})

describe('the end of a session', () => {
  it.each([
    ['flood', 'ENHANCE_YOUR_CALM', 'MM_EXCESSIVE_LOAD'],
    ['peer', 'FRAME_SIZE_ERROR', 'MM_PROTOCOL_ERROR'],
    ['timeout', 'SETTINGS_TIMEOUT', 'MM_PROTOCOL_ERROR'],
    ['network', 'NO_ERROR', 'MM_CONNECTION_RESET'],
    ['local', 'NO_ERROR', 'MM_CONNECTION_CLOSED'],
    ['local', 'INTERNAL_ERROR', 'MM_INTERNAL'],
  ] as const)('by %s with %s becomes %s', (cause, code, expected) => {
    expect(sessionFailure({ cause, code, isError: code !== 'NO_ERROR', message: 'why' })).toMatchObject({
      code: expected,
      message: 'why',
    })
  })
})
