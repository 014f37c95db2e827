import { describe, expect, it } from 'vitest'
import { TLS_HINTS, type TlsHint } from '../../../src/base/tls-hints.ts'
import { certificateHint } from '../../../src/cli/certificate-hint.ts'
import { attemptError, dialError } from '../../../src/connect/tcp/connect-error.ts'

/** The hint for a handshake that OpenSSL ends with this code. */
function hintFor(code: string): string | undefined {
  const cause = Object.assign(new Error(code), { code })
  return certificateHint(dialError('https://a.test', [attemptError(cause, 'tls', '192.0.2.1:443', 'a.test')]))
}

describe('the hint of a command for a certificate that is not accepted', () => {
  it('names --ca where the certificate or its authority can be trusted, and --insecure', () => {
    expect(hintFor('DEPTH_ZERO_SELF_SIGNED_CERT')).toMatch(
      /--ca FILE .* this very certificate .*--insecure \(-k\)/,
    )
    for (const code of ['SELF_SIGNED_CERT_IN_CHAIN', 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY'])
      expect(hintFor(code)).toMatch(/--ca FILE trusts the PEM certificates in FILE; --insecure \(-k\)/)
  })

  it.each([
    ['ERR_TLS_CERT_ALTNAME_INVALID', /a URL whose host the certificate names/],
    ['CERT_HAS_EXPIRED', /renew it .* the clock/],
    ['CERT_NOT_YET_VALID', /check the clock/],
    ['CERT_REVOKED', /revoked/],
    ['CERT_SIGNATURE_FAILURE', /the origin needs another one/],
  ])('does not name --ca for %s, where it would not help', (code, way) => {
    expect(hintFor(code)).toMatch(way)
    expect(hintFor(code)).toContain('--insecure (-k)')
    expect(hintFor(code)).not.toContain('--ca')
  })

  it('names both options where the cause is not known', () => {
    expect(certificateHint({ code: 'MM_TLS_CERTIFICATE', hint: 'something else' })).toMatch(/--ca FILE/)
    expect(certificateHint({ code: 'MM_TLS_CERTIFICATE' })).toMatch(/--ca FILE/)
  })

  it('is none for an error that is not about a certificate', () => {
    expect(hintFor('WRONG_VERSION_NUMBER')).toBeUndefined()
    expect(certificateHint({ code: 'MM_CONNECT_REFUSED', hint: TLS_HINTS.names })).toBeUndefined()
  })

  it('can rely on hints of the module that all differ', () => {
    expect(new Set(Object.values<string>(TLS_HINTS)).size).toBe(
      Object.keys(TLS_HINTS satisfies Record<TlsHint, string>).length,
    )
  })
})
