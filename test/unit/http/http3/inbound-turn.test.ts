import { describe, expect, it } from 'vitest'
import { quicFailure } from '../../../../src/http/http3/inbound-turn.ts'

describe('quicFailure', () => {
  const failure = (end: Partial<Parameters<typeof quicFailure>[0]>): object =>
    quicFailure({ cause: 'peer', isApplication: true, code: 0x100, reason: '', ...end })

  it.each([
    [{}, { code: 'H3_NO_ERROR', isError: false, cause: 'peer' }],
    [
      { code: 0x107, reason: 'calm down' },
      { code: 'H3_EXCESSIVE_LOAD', isError: true, cause: 'peer' },
    ],
    [{ code: 0x21 }, { code: 'H3_NO_ERROR', isError: false }],
    [
      { isApplication: false, code: 0 },
      { code: 'QUIC error 0', isError: false, cause: 'peer' },
    ],
    [
      { isApplication: false, code: 0x128 },
      { code: 'QUIC error 296', isError: true },
    ],
    [
      { cause: 'local', isApplication: false, code: 7 },
      { code: 'QUIC error 7', isError: true, cause: 'peer' },
    ],
    [{ cause: 'idle' }, { isError: false, cause: 'idle' }],
    [{ cause: 'reset' }, { isError: false, cause: 'network' }],
    [
      { cause: 'unusable', reason: 'why' },
      { isError: false, cause: 'network' },
    ],
  ] as const)('translates the end of a QUIC connection: %o', (end, expected) => {
    expect(failure(end)).toMatchObject(expected)
  })

  it('names the code and the reason of the peer in its message', () => {
    expect(failure({ code: 0x107, reason: 'calm down' })).toMatchObject({
      message: 'the peer closed the connection (H3_EXCESSIVE_LOAD): calm down',
    })
    expect(failure({ cause: 'unusable', reason: 'why' })).toMatchObject({
      message: 'the connection cannot go on: why',
    })
  })
})
