import { X509Certificate } from 'node:crypto'
import tls from 'node:tls'
import { describe, expect, it } from 'vitest'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'

describe('createCertificateAuthority', () => {
  it('issues leaves that OpenSSL verifies as signed by it and valid for their names', async () => {
    const authority = await createCertificateAuthority()
    const issued = await authority.issue({
      names: ['localhost', '*.demo.example', '127.0.0.1', '::1', '2001:db8::7'],
    })
    const root = new X509Certificate(authority.cert)
    const leaf = new X509Certificate(issued.cert)
    expect(root.ca).toBe(true)
    expect(root.verify(root.publicKey)).toBe(true)
    expect(leaf.ca).toBe(false)
    expect(leaf.checkIssued(root)).toBe(true)
    expect(leaf.verify(root.publicKey)).toBe(true)
    expect(leaf.checkHost('localhost')).toBe('localhost')
    expect(leaf.checkHost('a.demo.example')).toBe('*.demo.example')
    expect(leaf.checkHost('other.example')).toBeUndefined()
    expect(leaf.checkIP('127.0.0.1')).toBe('127.0.0.1')
    expect(leaf.checkIP('::1')).toBe('::1')
    expect(leaf.checkIP('2001:db8::7')).toBe('2001:db8::7')
    expect(leaf.checkIP('127.0.0.2')).toBeUndefined()
    expect(issued.ca).toBe(authority.cert)
    // The key belongs to the certificate, or OpenSSL would throw here.
    tls.createSecureContext({ cert: issued.cert, key: issued.key, ca: issued.ca })
  })

  it('keeps the given end, even one in the past or past 2049', async () => {
    const authority = await createCertificateAuthority()
    const expired = await authority.issue({ names: ['old'], notAfter: new Date('2020-02-03T04:05:06Z') })
    expect(new Date(new X509Certificate(expired.cert).validTo).toISOString()).toBe('2020-02-03T04:05:06.000Z')
    const distant = await authority.issue({ names: ['far'], notAfter: new Date('2061-02-03T04:05:06Z') })
    expect(new Date(new X509Certificate(distant.cert).validTo).toISOString()).toBe('2061-02-03T04:05:06.000Z')
  })

  it('adds the client purpose only when asked, and refuses a certificate without a name', async () => {
    const authority = await createCertificateAuthority()
    const purposes = async (clientAuth: boolean) =>
      new X509Certificate((await authority.issue({ names: ['x'], clientAuth })).cert).keyUsage
    expect(await purposes(false)).toEqual(['1.3.6.1.5.5.7.3.1'])
    expect(await purposes(true)).toEqual(['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'])
    await expect(authority.issue({ names: [] })).rejects.toThrow(RangeError)
  })

  it('makes a different authority each time', async () => {
    const [one, other] = await Promise.all([createCertificateAuthority(), createCertificateAuthority()])
    const leaf = new X509Certificate((await one.issue({ names: ['x'] })).cert)
    expect(leaf.verify(new X509Certificate(other.cert).publicKey)).toBe(false)
  })
})
