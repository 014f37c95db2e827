import { createHash, X509Certificate } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import { peerIdentity } from '../../../../src/quic/quiche/handshake.ts'
import {
  type CertificateAuthority,
  createCertificateAuthority,
} from '../../../../src/testing/certificates.ts'

let authority: CertificateAuthority
let leaf: Buffer
const now = Date.now()

beforeAll(async () => {
  authority = await createCertificateAuthority()
  leaf = await derOf(['shop.example', '*.wild.test', '192.0.2.1', '2001:db8::1'])
})

async function derOf(names: readonly string[]): Promise<Buffer> {
  const { cert } = await authority.issue({ names })
  return new X509Certificate(cert).raw
}

describe('peerIdentity', () => {
  it.each(['shop.example', 'SHOP.example', 'a.wild.test', '192.0.2.1', '2001:db8::1', '2001:db8:0:0::1'])(
    'accepts %s',
    name => {
      expect(peerIdentity(leaf, name, now)).toBeUndefined()
    },
  )

  it.each(['other.example', 'a.b.wild.test', 'wild.test', '192.0.2.2', '2001:db8::2', ''])(
    'refuses %s',
    name => {
      expect(peerIdentity(leaf, name, now)).toContain('other names')
    },
  )

  it('does not treat the subject as a name', async () => {
    // The common name of the certificates of the test kit is their first name.
    const der = await derOf(['192.0.2.9', 'shop.example'])
    expect(new X509Certificate(der).subject).toContain('192.0.2.9')
    const onlyAddress = await derOf(['192.0.2.9'])
    expect(peerIdentity(onlyAddress, '192.0.2.9', now)).toBeUndefined()
    expect(peerIdentity(onlyAddress, 'shop.example', now)).toContain('other names')
  })

  it('accepts one of several hashes whatever the name, and no other', () => {
    const hash = createHash('sha256').update(leaf).digest('hex')
    expect(peerIdentity(leaf, ['00'.repeat(32), hash], now)).toBeUndefined()
    expect(peerIdentity(leaf, ['00'.repeat(32)], now)).toContain(hash)
    expect(peerIdentity(leaf, [], now)).toContain('none of')
    expect(peerIdentity(leaf, [hash], now + 400 * 86_400_000)).toContain('expired')
  })

  it('checks the dates', () => {
    expect(peerIdentity(leaf, 'shop.example', now - 400 * 86_400_000)).toContain('not valid yet')
    expect(peerIdentity(leaf, 'shop.example', now + 400 * 86_400_000)).toContain('expired')
  })

  it('refuses bytes that are not a certificate', () => {
    expect(peerIdentity(undefined, 'shop.example', now)).toContain('no certificate')
    expect(peerIdentity(Buffer.from('junk'), 'shop.example', now)).toContain('cannot be read')
  })
})
