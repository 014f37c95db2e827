import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseProxyUrl } from '../../../../src/base/options/egress-options.ts'

describe('the URL of a proxy', () => {
  it.each([
    [
      'http://p.test',
      { kind: 'connect', isSecure: false, port: 1080, resolvesNames: true, name: 'http://p.test:1080' },
    ],
    ['https://P.test/', { kind: 'connect', isSecure: true, port: 443, host: 'p.test' }],
    ['http://p.test:80', { port: 80 }],
    ['h2://p.test', { kind: 'h2', isSecure: true, port: 443, resolvesNames: true, name: 'h2://p.test:443' }],
    ['H3://me:x@[::1]:9', { kind: 'h3', isSecure: true, host: '::1', port: 9, name: 'h3://[::1]:9' }],
    [
      'socks5://[::1]:9',
      { kind: 'socks5', host: '::1', port: 9, resolvesNames: false, name: 'socks5://[::1]:9' },
    ],
    ['SOCKS5H://192.0.2.1', { kind: 'socks5', resolvesNames: true, name: 'socks5h://192.0.2.1:1080' }],
    ['http://me:a%40b%3Ac@p.test', { credentials: { user: 'me', password: 'a@b:c' } }],
    ['http://me@p.test', { credentials: { user: 'me', password: '' } }],
  ] as const)('%s is read', (url, expected) => {
    expect(parseProxyUrl(url)).toMatchObject(expected)
  })

  it.each([
    'p.test:3128',
    'socks4://p.test',
    'ftp://p.test',
    'constructor://p.test',
    'http://',
    'http://p.test:0',
    'http://p.test:65536',
    'http://p.test/path',
    'http://p.test?x',
    'http://[p]:1',
    'http://a b',
    'http://me:%zz@p.test',
    'http://me:%0a@p.test',
    'http://a%3ab:c@p.test',
    'h2://a%3ab:c@p.test',
    'socks5://:c@p.test',
    `socks5://u:${'x'.repeat(256)}@p.test`,
  ])('%s is refused', url => {
    expect(() => parseProxyUrl(url)).toThrow(expect.objectContaining({ code: 'MM_INVALID_ARGUMENT' }))
  })

  it('shows no secret, neither in its name nor in an error', () => {
    fc.assert(
      fc.property(
        fc.stringMatching(/^[a-z0-9]{8,20}$/),
        fc.constantFrom('http', 'socks5', 'ftp', ''),
        (secret, scheme) => {
          let seen: string
          try {
            seen = parseProxyUrl(`${scheme}://user:Q${secret}@p.test:1`).name
          } catch (error) {
            seen = String(error)
          }
          expect(seen).not.toContain(secret)
        },
      ),
    )
  })
})
