import { describe, expect, it } from 'vitest'
import type { ErrorCode } from '../../../../src/base/error-codes.ts'
import { TransportError } from '../../../../src/base/errors.ts'
import { type AttemptPhase, attemptError, dialError } from '../../../../src/connect/tcp/connect-error.ts'

const systemError = (code: string, message = `connect ${code}`, extra: object = {}): Error =>
  Object.assign(new Error(message), { code }, extra)

describe('the error of an attempt', () => {
  it.each<[string, AttemptPhase, ErrorCode, string]>([
    ['ECONNREFUSED', 'connect', 'MM_CONNECT_REFUSED', 'refused the connection'],
    ['ENETUNREACH', 'connect', 'MM_CONNECT_FAILED', 'no route to its network'],
    ['EHOSTUNREACH', 'connect', 'MM_CONNECT_FAILED', 'no route to the host'],
    ['ECONNRESET', 'connect', 'MM_CONNECT_FAILED', 'closed the connection (ECONNRESET)'],
    ['ECONNRESET', 'tls', 'MM_CONNECT_FAILED', 'closed the connection during the TLS handshake'],
    ['ETIMEDOUT', 'connect', 'MM_CONNECT_TIMEOUT', 'did not answer'],
    ['EMFILE', 'connect', 'MM_OUT_OF_DESCRIPTORS', 'no file descriptor'],
    ['EADDRNOTAVAIL', 'connect', 'MM_PORTS_EXHAUSTED', 'no local address'],
    ['CERT_HAS_EXPIRED', 'tls', 'MM_TLS_CERTIFICATE', 'the certificate for origin.test has expired'],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'tls', 'MM_TLS_CERTIFICATE', 'authority that is not trusted'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'tls', 'MM_TLS_CERTIFICATE', 'self-signed'],
    ['SELF_SIGNED_CERT_IN_CHAIN', 'tls', 'MM_TLS_CERTIFICATE', 'authority that is not trusted'],
    ['CERT_NOT_YET_VALID', 'tls', 'MM_TLS_CERTIFICATE', 'not valid yet'],
    ['ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL', 'tls', 'MM_ALPN_MISMATCH', 'none of the protocols'],
    ['ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE', 'tls', 'MM_TLS_FAILED', 'no cipher'],
    ['ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE', 'tls', 'MM_TLS_FAILED', 'no cipher'],
    ['ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION', 'tls', 'MM_TLS_FAILED', 'no TLS version in common'],
    ['ERR_SSL_UNSUPPORTED_PROTOCOL', 'tls', 'MM_TLS_FAILED', 'no TLS version in common'],
    ['ERR_SSL_TLSV1_UNRECOGNIZED_NAME', 'tls', 'MM_TLS_FAILED', 'does not know the server name'],
    ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', 'tls', 'MM_TLS_FAILED', 'demands a client certificate'],
    ['ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED', 'tls', 'MM_TLS_FAILED', 'refused our client certificate'],
    ['ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', 'tls', 'MM_TLS_FAILED', 'does not trust the authority of our client'],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'tls', 'MM_TLS_FAILED', 'does not speak TLS'],
  ])('%s in %s is %s', (code, phase, expected, words) => {
    const error = attemptError(systemError(code), phase, '127.0.0.1:443', 'origin.test')
    expect(error.code).toBe(expected)
    expect(error.message).toMatch(/^127\.0\.0\.1:443 /)
    expect(error.message).toContain(words)
    expect(error.message).toContain(code)
    expect(error.processed).toBe('no')
  })

  it('finds an alert that Node reports by its message only', () => {
    const cause = systemError(
      'EPROTO',
      'write EPROTO 40:error:0A000410:SSL routines::tlsv1 alert no application protocol:',
    )
    expect(attemptError(cause, 'tls', 'x:1', 'x').code).toBe('MM_ALPN_MISMATCH')
  })

  it('keeps the reason that Node gives for a name that does not fit', () => {
    const reason = "Host: evil.test. is not in the cert's altnames: DNS:origin.test"
    const cause = systemError('ERR_TLS_CERT_ALTNAME_INVALID', 'x', { reason })
    const error = attemptError(cause, 'tls', '127.0.0.1:443', 'evil.test')
    expect(error.code).toBe('MM_TLS_CERTIFICATE')
    expect(error.message).toBe(
      `127.0.0.1:443 the certificate for evil.test is for other names (ERR_TLS_CERT_ALTNAME_INVALID: ${reason})`,
    )
    expect(error.cause).toBe(cause)
  })

  it.each<[AttemptPhase, ErrorCode]>([
    ['connect', 'MM_CONNECT_FAILED'],
    ['tls', 'MM_TLS_FAILED'],
  ])('has a message for an unforeseen error in %s', (phase, code) => {
    const error = attemptError(systemError('ESTRANGE', 'something strange'), phase, 'x:1', 'x')
    expect([error.code, error.message.includes('something strange')]).toEqual([code, true])
    expect(attemptError('thrown', phase, 'x:1', 'x').message).toContain('thrown')
  })

  it('leaves an error that is a TransportError already as it is', () => {
    const error = new TransportError('MM_TLS_TIMEOUT', 'late')
    expect(attemptError(error, 'connect', 'x:1', 'x')).toBe(error)
  })
})

describe('the error of a dial', () => {
  const first = new TransportError('MM_CONNECT_FAILED', '[::1]:443 no route to its network (ENETUNREACH)')
  const second = new TransportError(
    'MM_CONNECT_REFUSED',
    '127.0.0.1:443 refused the connection (ECONNREFUSED)',
  )

  it('names each endpoint with its reason, and has all of them as its cause', () => {
    const error = dialError('https://origin.test', [first, second])
    expect(error.message).toBe(`cannot connect to https://origin.test: ${first.message}; ${second.message}`)
    expect(error.cause).toBeInstanceOf(AggregateError)
    expect(error.cause).toMatchObject({ errors: [first, second] })
  })

  it('has the code of the attempt that came nearest to success', () => {
    expect(dialError('o', [first, second]).code).toBe('MM_CONNECT_REFUSED')
    const late = new TransportError('MM_TLS_TIMEOUT', 'late')
    expect(dialError('o', [late, second]).code).toBe('MM_TLS_TIMEOUT')
    const certificate = new TransportError('MM_TLS_CERTIFICATE', 'expired')
    expect(dialError('o', [first, late, certificate]).code).toBe('MM_TLS_CERTIFICATE')
  })

  it('of a single attempt has its code and its own cause', () => {
    const cause = systemError('ECONNREFUSED')
    const error = dialError('o', [attemptError(cause, 'connect', 'x:1', 'x')])
    expect([error.code, error.cause]).toEqual(['MM_CONNECT_REFUSED', cause])
  })

  it('says that there was nothing to try', () => {
    expect(dialError('o', [])).toMatchObject({
      code: 'MM_CONNECT_FAILED',
      message: 'cannot connect to o: no address to try',
    })
  })
})
