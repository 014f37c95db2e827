import { describe, expect, it } from 'vitest'
import { TransportError } from '../../../src/base/errors.ts'
import { handshakeFailure, quicDialError, socketFailure } from '../../../src/quic/dial-error.ts'
import type { QuicEnd } from '../../../src/quic/engine.ts'

const end = (fields: Partial<QuicEnd>): QuicEnd => ({
  cause: 'peer',
  isApplication: false,
  code: 0,
  reason: '',
  ...fields,
})

describe('handshakeFailure', () => {
  it.each([
    [
      end({ cause: 'local', code: 298, reason: 'the certificate has expired' }),
      'MM_TLS_CERTIFICATE',
      '0x12a: the',
    ],
    [end({ cause: 'local', code: 304 }), 'MM_TLS_CERTIFICATE', 'not trusted'],
    [end({ cause: 'local', code: 301 }), 'MM_TLS_CERTIFICATE', 'expired'],
    [end({ cause: 'local', code: 0x178 }), 'MM_ALPN_MISMATCH', 'agreed on no protocol'],
    [end({ cause: 'local', code: 0x132 }), 'MM_TLS_FAILED', 'TLS failed'],
    [end({ cause: 'local', code: 10 }), 'MM_CONNECT_FAILED', 'broke the protocol'],
    [end({ code: 376 }), 'MM_ALPN_MISMATCH', 'none of the protocols'],
    [end({ code: 372 }), 'MM_TLS_FAILED', 'demands a client certificate'],
    [end({ code: 304 }), 'MM_TLS_FAILED', 'authority of our client certificate'],
    [end({ code: 0x1ff }), 'MM_TLS_FAILED', 'TLS failed'],
    [end({ code: 2 }), 'MM_CONNECT_REFUSED', 'refused'],
    [end({ code: 2, isApplication: true }), 'MM_CONNECT_FAILED', 'ended the connection'],
    [end({ cause: 'idle' }), 'MM_CONNECT_TIMEOUT', 'did not answer'],
    [end({ cause: 'reset' }), 'MM_CONNECT_FAILED', 'reset'],
    [end({ cause: 'version', reason: 'speaks QUIC version 2' }), 'MM_QUIC_VERSION', 'version 2'],
    [end({ cause: 'unusable', reason: 'broken' }), 'MM_CONNECT_FAILED', 'broken'],
  ] as const)('translates %j to %s', (given, code, message) => {
    const error = handshakeFailure(given, '192.0.2.1:443', 'shop.example')
    expect(error.code).toBe(code)
    expect(error.message).toContain(message)
    expect(error.message).toMatch(/^192\.0\.2\.1:443 /)
  })
})

describe('socketFailure', () => {
  it('names the errors of the system, and keeps our own', () => {
    const refused = Object.assign(new Error('recv ECONNREFUSED'), { code: 'ECONNREFUSED' })
    expect(socketFailure(refused, 'e')).toMatchObject({ code: 'MM_CONNECT_REFUSED', cause: refused })
    expect(socketFailure(new Error('odd'), 'e')).toMatchObject({
      code: 'MM_CONNECT_FAILED',
      message: 'e odd',
    })
    const ours = new TransportError('MM_INVALID_ARGUMENT', 'x')
    expect(socketFailure(ours, 'e')).toBe(ours)
  })
})

describe('quicDialError', () => {
  it('has the most specific code, and every reason', () => {
    const failures = [
      new TransportError('MM_CONNECT_TIMEOUT', 'a'),
      new TransportError('MM_TLS_CERTIFICATE', 'b'),
    ]
    const error = quicDialError('https://shop.example', failures)
    expect(error.code).toBe('MM_TLS_CERTIFICATE')
    expect(error.message).toBe('cannot connect to https://shop.example over QUIC: a; b')
    expect(error.cause).toBeInstanceOf(AggregateError)
    expect(quicDialError('o', [])).toMatchObject({ code: 'MM_CONNECT_FAILED' })
  })
})
