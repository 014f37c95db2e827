import { describe, expect, it } from 'vitest'
import { ClientContexts } from '../../../../src/connect/openssl/client-contexts.ts'
import { ClientMachine, VERIFIED, verifyName } from '../../../../src/connect/openssl/client-machine.ts'
import { callableOpenssl, requireOpenssl } from '../../../support/require-openssl.ts'

const missing = requireOpenssl()

function makeMachine(alpn: string | null = 'h2', sentName: string | null = 'origin.test') {
  const context = new ClientContexts(callableOpenssl()).get({ ca: '', groups: 'X25519' })
  return new ClientMachine({
    context,
    sentName: sentName ?? undefined,
    rejectUnauthorized: true,
    alpn: alpn ?? undefined,
    session: undefined,
    logsKeys: false,
  })
}

// What it does with a peer: test/e2e/early-socket*.test.ts.
describe.skipIf(missing !== undefined)(`ClientMachine (${missing ?? 'OpenSSL'})`, () => {
  it('begins with a ClientHello that has the name and the protocol', () => {
    const machine = makeMachine()
    expect(machine.handshake()).toBeUndefined()
    const hello = machine.takeOutput()!
    expect(hello.subarray(0, 3)).toEqual(Buffer.of(22, 3, 1))
    expect(hello.toString('latin1')).toContain('origin.test')
    expect(hello.toString('latin1')).toContain('\x02h2')
    expect(machine.takeOutput()).toBeUndefined()
    machine.free()
  })

  it('sends no name where there is none', () => {
    const machine = makeMachine(null, null)
    machine.handshake()
    expect(machine.takeOutput()!.toString('latin1')).not.toContain('origin.test')
    machine.free()
  })

  it('does nothing any more once it is freed, in whatever order it is called', () => {
    for (const hasBegun of [false, true]) {
      const machine = makeMachine()
      if (hasBegun) machine.handshake()
      machine.free()
      machine.free()
      expect(machine.startWithEarlyData(Buffer.from('abc'))).toBe(false)
      expect(machine.handshake()).toBeUndefined()
      machine.receive(Buffer.from('abc'))
      expect(machine.read(Buffer.alloc(10))).toBe(0)
      machine.write(Buffer.from('abc'))
      machine.close()
      expect(machine.takeOutput()).toBeUndefined()
      expect(machine.peerCertificate()).toBeUndefined()
      expect(machine.takeTickets()).toEqual([])
      expect(machine.takeKeyLines()).toEqual([])
      expect(machine.verifyCode()).toBe(0)
      machine.free()
    }
  })

  it('does nothing before its handshake is complete', () => {
    const machine = makeMachine()
    machine.write(Buffer.from('abc'))
    machine.close()
    expect(machine.takeOutput()).toBeUndefined()
    expect(machine.read(Buffer.alloc(10))).toBe(0)
    expect(machine.peerCertificate()).toBeUndefined()
    expect(machine.startWithEarlyData(Buffer.from('abc'))).toBe(false)
    machine.free()
  })

  it('reports nothing more after a failure', () => {
    const machine = makeMachine()
    machine.handshake()
    machine.takeOutput()
    machine.receive(Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'))
    expect(() => machine.handshake()).toThrow(
      expect.objectContaining({ code: expect.stringMatching(/^ERR_SSL_/) }),
    )
    machine.receive(Buffer.from('more'))
    expect(machine.handshake()).toBeUndefined()
    machine.write(Buffer.from('abc'))
    machine.close()
    machine.takeOutput()
    machine.free()
  })

  it('refuses a protocol that cannot be offered', () => {
    expect(() => makeMachine('')).toThrow(RangeError)
    expect(() => makeMachine('x'.repeat(256))).toThrow(RangeError)
    makeMachine('x'.repeat(255)).free()
  })
})

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

  it('returns for other codes what node:tls returns', () => {
    for (const code of [1, 24, 66, 1000, -1]) expect(verifyName(code)).toBe('UNSPECIFIED')
    expect(VERIFIED).toBe(0)
  })

  const missing = requireOpenssl()
  it.skipIf(missing !== undefined)(`names what this OpenSSL means by the number (${missing ?? ''})`, () => {
    const openssl = callableOpenssl()
    for (const [code, text] of TEXTS) expect(openssl.X509_verify_cert_error_string(code)).toMatch(text)
  })
})
