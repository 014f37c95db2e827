import { describe, expect, it } from 'vitest'
import { originUrl, parseOrigin, throughEgress } from '../../../../src/base/http/origin.ts'

describe('parseOrigin', () => {
  it.each([
    [
      'https://Example.COM/path?q',
      { key: 'https://example.com', host: 'example.com', port: 443, authority: 'example.com', ipFamily: 0 },
    ],
    [
      'https://example.com:443',
      { key: 'https://example.com', host: 'example.com', port: 443, authority: 'example.com', ipFamily: 0 },
    ],
    [
      'http://example.com:8080',
      {
        key: 'http://example.com:8080',
        host: 'example.com',
        port: 8080,
        authority: 'example.com:8080',
        ipFamily: 0,
      },
    ],
    [
      'http://127.0.0.1',
      { key: 'http://127.0.0.1', host: '127.0.0.1', port: 80, authority: '127.0.0.1', ipFamily: 4 },
    ],
    [
      'http://0x7f.1',
      { key: 'http://127.0.0.1', host: '127.0.0.1', port: 80, authority: '127.0.0.1', ipFamily: 4 },
    ],
    [
      'https://[::1]:8443/',
      { key: 'https://[::1]:8443', host: '::1', port: 8443, authority: '[::1]:8443', ipFamily: 6 },
    ],
    [
      'https://bücher.example',
      {
        key: 'https://xn--bcher-kva.example',
        host: 'xn--bcher-kva.example',
        port: 443,
        authority: 'xn--bcher-kva.example',
        ipFamily: 0,
      },
    ],
  ])('reads %s', (url, expected) => {
    expect(parseOrigin(url)).toMatchObject(expected)
    expect(parseOrigin(new URL(url))).toMatchObject(expected)
  })

  it.each(['shop.example', 'ftp://shop.example', 'https://', 'http://1.2.3.4.5', ''])('refuses %j', url => {
    expect(() => parseOrigin(url)).toThrow(expect.objectContaining({ code: 'MM_INVALID_ARGUMENT' }))
  })
})

describe('an origin that is reached through another egress', () => {
  it('is another one by its key, and the same by its URL', () => {
    const origin = parseOrigin('https://shop.example:8443/path')
    const other = throughEgress(origin, 'bulk')
    expect(other).toEqual({ ...origin, egress: 'bulk', key: 'https://shop.example:8443 (egress bulk)' })
    expect([originUrl(other), originUrl(origin)]).toEqual([origin.key, origin.key])
    expect(throughEgress(other, 'x').key).toBe('https://shop.example:8443 (egress x)')
  })
})
