import { createSecureContext } from 'node:tls'
import { describe, expect, it } from 'vitest'
import { ServerCertificates } from '../../../../src/ingress/tls/server-certificates.ts'
import { createCertificateAuthority } from '../../../../src/testing/certificates.ts'

const authority = await createCertificateAuthority()
const shop = await authority.issue({ names: ['shop.example'] })
const api = await authority.issue({ names: ['api.example'] })

describe('the certificates of a listener', () => {
  it('have a context for each name, which stays when another certificate is renewed', async () => {
    const certificates = new ServerCertificates([shop, api], createSecureContext)
    const [forShop, forApi] = [certificates.find('shop.example'), certificates.find('api.example')]
    expect(forShop).toBeDefined()
    expect(forApi).not.toBe(forShop)
    expect(certificates.find('other.example')).toBeUndefined()
    expect(certificates.renew([{ ...shop }, { ...api }])).toBe(false)
    const renewed = await authority.issue({ names: ['api.example'] })
    expect(certificates.renew([shop, renewed])).toBe(true)
    expect(certificates.find('shop.example')).toBe(forShop)
    expect(certificates.find('api.example')).not.toBe(forApi)
    expect(certificates.first).toBe(forShop)
  })

  it('stay unchanged when one of the new ones cannot be used', () => {
    const certificates = new ServerCertificates([shop], createSecureContext)
    const mixed = { cert: api.cert, key: shop.key }
    expect(() => certificates.renew([shop, mixed])).toThrow(
      expect.objectContaining({ code: 'MM_INVALID_ARGUMENT' }),
    )
    expect(certificates.pairs).toEqual([shop])
    expect(certificates.find('api.example')).toBeUndefined()
  })
})
