import { describe, expect, it } from 'vitest'
import { VERIFIED, verifyName } from '../../../../src/connect/openssl/client-machine.ts'
import { callableOpenssl, requireOpenssl } from '../../../support/require-openssl.ts'

/** What OpenSSL says of each number, for people. */
const TEXTS: readonly (readonly [number, RegExp, string])[] = [
  [2, /unable to get issuer certificate/, 'UNABLE_TO_GET_ISSUER_CERT'],
  [3, /unable to get certificate CRL/, 'UNABLE_TO_GET_CRL'],
  [7, /certificate signature failure/, 'CERT_SIGNATURE_FAILURE'],
  [9, /certificate is not yet valid/, 'CERT_NOT_YET_VALID'],
  [10, /certificate has expired/, 'CERT_HAS_EXPIRED'],
  [12, /CRL has expired/, 'CRL_HAS_EXPIRED'],
  [18, /self-signed certificate$/, 'DEPTH_ZERO_SELF_SIGNED_CERT'],
  [19, /self-signed certificate in certificate chain/, 'SELF_SIGNED_CERT_IN_CHAIN'],
  [20, /unable to get local issuer certificate/, 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY'],
  [21, /unable to verify the first certificate/, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
  [22, /certificate chain too long/, 'CERT_CHAIN_TOO_LONG'],
  [23, /certificate revoked/, 'CERT_REVOKED'],
  [25, /path length constraint exceeded/, 'PATH_LENGTH_EXCEEDED'],
  [26, /unsuitable certificate purpose/, 'INVALID_PURPOSE'],
  [27, /certificate not trusted/, 'CERT_UNTRUSTED'],
  [28, /certificate rejected/, 'CERT_REJECTED'],
  [62, /hostname mismatch/, 'HOSTNAME_MISMATCH'],
  [79, /invalid CA certificate/, 'INVALID_CA'],
]

describe('verifyName', () => {
  it('has the names of node:tls', () => {
    for (const [code, , name] of TEXTS) expect(verifyName(code)).toBe(name)
  })

  it('says of others what node:tls says', () => {
    for (const code of [1, 24, 66, 1000, -1]) expect(verifyName(code)).toBe('UNSPECIFIED')
    expect(VERIFIED).toBe(0)
  })

  const missing = requireOpenssl()
  it.skipIf(missing !== undefined)(`names what this OpenSSL means by the number (${missing ?? ''})`, () => {
    const openssl = callableOpenssl()
    for (const [code, text] of TEXTS) expect(openssl.X509_verify_cert_error_string(code)).toMatch(text)
  })
})
