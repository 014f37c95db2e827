import { expect, test } from 'vitest'
import { encodeStreamHeader, StreamHeader } from '../../../../../src/http/http3/webtransport/stream-header.ts'
import { fc } from '../../../../support/property.ts'

const SIGNAL = 0x41

test('a header is read in whatever pieces it comes, and never more of the stream than it needs', () => {
  const id = fc.oneof(fc.nat(100), fc.nat(20_000), fc.nat(2 ** 31), fc.nat(2 ** 45)).map(n => n * 4)
  fc.assert(
    fc.property(
      id,
      fc.uint8Array({ maxLength: 20 }),
      fc.integer({ min: 1, max: 16 }),
      (sessionId, body, most) => {
        const bytes = Buffer.concat([encodeStreamHeader(SIGNAL, sessionId), body])
        const header = new StreamHeader(SIGNAL)
        let at = 0
        for (;;) {
          const taken = Math.min(most, header.wantedBytes, bytes.length - at)
          const state = header.receive(bytes.subarray(at, at + taken))
          at += taken
          if (state.kind === 'more') continue
          expect(state).toEqual({ kind: 'session', sessionId })
          expect(at).toBe(bytes.length - body.length)
          expect(header.rest.length).toBe(0)
          return
        }
      },
    ),
  )
})

test('a stream that begins otherwise is another one, and all of it is given back', () => {
  const header = new StreamHeader(SIGNAL)
  expect(header.receive(Buffer.from([1, 2, 3]))).toEqual({ kind: 'other' })
  expect(header.rest).toEqual(Buffer.from([1, 2, 3]))
})
