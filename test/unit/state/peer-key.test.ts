import { describe, expect, it } from 'vitest'
import { type Peer, peerKey, type TrustPolicy, trustDigest } from '../../../src/state/peer-key.ts'

const POLICY: TrustPolicy = {
  ca: 'CA 1',
  clientCertificate: 'client 1',
  rejectUnauthorized: true,
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.3',
  ciphers: 'AES',
  groups: 'X25519',
  tlsLibrary: 'openssl 3.0.19',
}

const PEER: Peer = { host: 'origin.test', serverName: 'origin.test', port: 443, trust: trustDigest(POLICY) }

describe('the key of a peer', () => {
  it('is the same for the same peer and policy', () => {
    expect(peerKey({ ...PEER, trust: trustDigest({ ...POLICY }) })).toBe(peerKey(PEER))
  })

  it.each<[string, Partial<TrustPolicy>]>([
    ['the contents of the CA', { ca: 'CA 2' }],
    ['one more CA', { ca: ['CA 1', 'CA 2'] }],
    ['no CA of its own', { ca: undefined }],
    ['the client certificate', { clientCertificate: 'client 2' }],
    ['no client certificate', { clientCertificate: undefined }],
    ['rejectUnauthorized', { rejectUnauthorized: false }],
    ['hashes of certificates', { certificateHashes: ['00'.repeat(32)] }],
    ['the lowest version', { minVersion: 'TLSv1.3' }],
    ['no lowest version', { minVersion: undefined }],
    ['the highest version', { maxVersion: 'TLSv1.2' }],
    ['the ciphers', { ciphers: 'CHACHA20' }],
    ['the groups of the key exchange', { groups: 'P-256' }],
    ['no groups of its own', { groups: undefined }],
    ['the TLS library', { tlsLibrary: 'openssl 3.5.8' }],
  ])('differs by the trust setting %s', (_what, change) => {
    expect(peerKey({ ...PEER, trust: trustDigest({ ...POLICY, ...change }) })).not.toBe(peerKey(PEER))
  })

  it.each<[string, Partial<Peer>]>([
    ['the host', { host: 'other.test' }],
    ['the server name', { serverName: 'evil.test' }],
    ['the port', { port: 8443 }],
  ])('differs by the address part %s', (_what, change) => {
    expect(peerKey({ ...PEER, ...change })).not.toBe(peerKey(PEER))
  })

  it('does not differ by the case of names, nor by a CA that comes as a list of one', () => {
    const trust = trustDigest({ ...POLICY, ca: ['CA 1'] })
    expect(peerKey({ ...PEER, host: 'ORIGIN.test', serverName: 'Origin.Test', trust })).toBe(peerKey(PEER))
  })

  it('keeps neighboring fields apart', () => {
    const swapped = { ...POLICY, minVersion: 'TLSv1.3', maxVersion: 'TLSv1.2' }
    expect(trustDigest(swapped)).not.toBe(trustDigest(POLICY))
    expect(trustDigest({ ...POLICY, ciphers: 'X25519', groups: 'AES' })).not.toBe(trustDigest(POLICY))
    expect(trustDigest({ ...POLICY, ca: ['AB', 'C'] })).not.toBe(trustDigest({ ...POLICY, ca: ['A', 'BC'] }))
  })

  it('reveals nothing of its input', () => {
    expect(peerKey(PEER)).toMatch(/^[\w-]{43}$/)
    expect(peerKey(PEER)).not.toContain('origin')
  })
})
