import { beforeAll, describe, expect, it } from 'vitest'
import type { TlsOptions } from '../../../../src/base/options/options.ts'
import { SecureContexts } from '../../../../src/connect/tls/secure-contexts.ts'
import { createCertificateAuthority } from '../../../../src/testing/certificates.ts'

let first: string
let second: string
let client: { cert: string; key: string }

beforeAll(async () => {
  const authority = await createCertificateAuthority()
  first = authority.cert
  second = (await createCertificateAuthority('another')).cert
  client = await authority.issue({ names: ['client.test'], clientAuth: true })
})

describe('SecureContexts', () => {
  it('makes one context for equal settings', () => {
    const contexts = new SecureContexts()
    expect(contexts.get({ ca: first }).context).toBe(contexts.get({ ca: first }).context)
    expect(contexts.size).toBe(1)
  })

  it('shares a context between origins that differ in other settings, and keeps their trust apart', () => {
    const contexts = new SecureContexts()
    const careful = contexts.get({ ca: first })
    const careless = contexts.get({ ca: first, rejectUnauthorized: false })
    expect(careless.context).toBe(careful.context)
    expect(careless.trust).not.toBe(careful.trust)
  })

  it.each<[string, () => TlsOptions]>([
    ['the CA', () => ({ ca: second })],
    ['one CA more', () => ({ ca: [first, second] })],
    ['the lowest version', () => ({ ca: first, minVersion: 'TLSv1.3' })],
    ['the highest version', () => ({ ca: first, maxVersion: 'TLSv1.2' })],
    ['the ciphers', () => ({ ca: first, ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' })],
    ['the groups', () => ({ ca: first, groups: 'X25519:P-256' })],
    ['the client certificate', () => ({ ca: first, ...client })],
  ])('makes another one, of another trust, for another value of %s', (_what, other) => {
    const contexts = new SecureContexts()
    const before = contexts.get({ ca: first })
    const after = contexts.get(other())
    expect(after.context).not.toBe(before.context)
    expect(after.trust).not.toBe(before.trust)
  })

  it('returns the same context for the same object, without reading it again', () => {
    const contexts = new SecureContexts()
    const options = { ca: first }
    expect(contexts.get(options)).toBe(contexts.get(options))
  })

  it('is bounded, and evicts the least recently used', () => {
    const contexts = new SecureContexts(2)
    const one = contexts.get({ ca: first }).context
    contexts.get({ ca: second })
    contexts.get({ ca: first })
    contexts.get({ ca: [first, second] })
    expect(contexts.size).toBe(2)
    expect(contexts.get({ ca: first }).context).toBe(one)
  })

  it.each<[string, TlsOptions]>([
    ['a certificate that cannot be read', { cert: 'x', key: 'y' }],
    ['ciphers that do not exist', { ciphers: 'NOT-A-CIPHER' }],
    ['groups that do not exist', { groups: 'X25519:NOT-A-GROUP' }],
    ['groups that are none', { groups: '' }],
  ])('refuses %s as an error of the caller', (_what, options) => {
    expect(() => new SecureContexts().get(options)).toThrow(
      expect.objectContaining({ code: 'MM_INVALID_ARGUMENT' }),
    )
  })
})
