import { describe, expect, it } from 'vitest'
import type { TlsOptions } from '../../../../src/base/options/options.ts'
import { ClientContexts, ContextCache } from '../../../../src/connect/openssl/client-contexts.ts'
import { createCertificateAuthority } from '../../../../src/testing/certificates.ts'
import { callableOpenssl, countingOpenssl, requireOpenssl } from '../../../support/require-openssl.ts'

const missing = requireOpenssl()

describe.skipIf(missing !== undefined)(`ClientContexts (${missing ?? 'OpenSSL'})`, () => {
  it('gives the same context for the same options, and shares what has equal contents', () => {
    const { openssl, alive } = countingOpenssl()
    const contexts = new ClientContexts(openssl, new ContextCache(openssl))
    const options: TlsOptions = { groups: 'X25519' }
    expect(contexts.get(options)).toBe(contexts.get(options))
    contexts.get({ groups: 'X25519', serverName: 'elsewhere.test', rejectUnauthorized: false })
    expect(alive('SSL_CTX_new')).toBe(1)
    contexts.get({ groups: 'P-256' })
    expect(alive('SSL_CTX_new')).toBe(2)
  })

  it('frees what is evicted, and makes it again when it is asked for again', async () => {
    const { openssl, alive } = countingOpenssl()
    const cache = new ContextCache(openssl, 2)
    const contexts = new ClientContexts(openssl, cache)
    const groups = ['X25519', 'P-256', 'P-384', 'P-521']
    const all = groups.map(name => contexts.get({ groups: name, ca: '' }))
    expect(cache.size).toBe(2)
    expect(alive('SSL_CTX_new')).toBe(2)
    const first = all[0]!.newSsl(false)
    expect(alive('SSL_CTX_new')).toBe(2)
    // It holds a reference of its own: that its context is put out does not matter to it.
    for (const context of all.slice(1)) openssl.SSL_free(context.newSsl(false))
    expect(alive('SSL_CTX_new')).toBe(2)
    openssl.SSL_set_connect_state(first)
    expect(openssl.SSL_get_version(first)).toContain('TLSv1.3')
    openssl.SSL_free(first)
  })

  it('refuses what OpenSSL cannot use, and leaves nothing behind', async () => {
    const { openssl, alive } = countingOpenssl()
    const contexts = new ClientContexts(openssl, new ContextCache(openssl))
    const authority = await createCertificateAuthority()
    const one = await authority.issue({ names: ['one.test'] })
    const two = await authority.issue({ names: ['two.test'] })
    const bad: readonly [TlsOptions, RegExp][] = [
      [{ maxVersion: 'TLSv1.2' }, /TLS 1\.3.*TLSv1\.2/],
      [{ groups: 'P-1000' }, /groups|P-1000/],
      [{ ciphers: 'ECDHE-RSA-AES128-GCM-SHA256' }, /TLS 1\.3/],
      [{ ciphers: 'TLS_NO_SUCH_SUITE' }, /cannot be used/],
      [{ cert: 'nonsense' }, /no certificate/],
      [{ key: 'nonsense' }, /cannot be used/],
      [{ cert: one.cert, key: two.key }, /mismatch/],
    ]
    for (const [options, message] of bad) {
      expect(() => contexts.get(options)).toThrow(expect.objectContaining({ code: 'MM_INVALID_ARGUMENT' }))
      expect(() => contexts.get(options)).toThrow(message)
    }
    for (const made of ['SSL_CTX_new', 'PEM_read_bio_X509_AUX', 'PEM_read_bio_PrivateKey'] as const)
      expect(alive(made), made).toBe(0)
    expect(alive('X509_STORE_new')).toBe(1) // that of Node's own list
  })

  it('accepts what node:tls accepts', async () => {
    const { openssl, alive } = countingOpenssl()
    const contexts = new ClientContexts(openssl, new ContextCache(openssl))
    const authority = await createCertificateAuthority()
    const other = await createCertificateAuthority()
    const own = await authority.issue({ names: ['client.test'], clientAuth: true })
    const good: readonly TlsOptions[] = [
      {},
      { ca: '' },
      { ca: [] },
      { ca: authority.cert },
      { ca: [authority.cert, other.cert, authority.cert] },
      { ca: authority.cert + other.cert },
      { ca: 'no PEM at all' },
      { cert: own.cert, key: own.key },
      { cert: own.cert + own.ca, key: own.key },
      { ciphers: 'TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256' },
      { ciphers: 'TLS_AES_128_GCM_SHA256:ECDHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0' },
      { groups: 'X25519:P-256', minVersion: 'TLSv1.2', maxVersion: 'TLSv1.3' },
    ]
    for (const options of good) openssl.SSL_free(contexts.get(options).newSsl(false))
    expect(alive('SSL_new')).toBe(0)
    expect(alive('PEM_read_bio_X509_AUX')).toBe(0)
    expect(alive('X509_STORE_new')).toBe(1)
    expect(alive('SSL_CTX_new')).toBeGreaterThan(8)
  })

  it('does not ask for the passphrase of a key on the terminal', async () => {
    const { generateKeyPairSync } = await import('node:crypto')
    const { privateKey } = generateKeyPairSync('ec', {
      namedCurve: 'P-256',
      privateKeyEncoding: { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'right' },
      publicKeyEncoding: { type: 'spki', format: 'pem' },
    })
    const contexts = new ClientContexts(callableOpenssl())
    expect(() => contexts.get({ key: privateKey })).toThrow(/cannot be used/)
    expect(() => contexts.get({ key: privateKey, passphrase: 'wrong' })).toThrow(/cannot be used/)
    contexts.get({ key: privateKey, passphrase: 'right' })
  })
})
