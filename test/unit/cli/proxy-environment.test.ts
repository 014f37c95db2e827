import { describe, expect, it } from 'vitest'
import { proxyFromEnvironment } from '../../../src/cli/proxy-environment.ts'

function proxyOf(url: string, environment: Record<string, string>): string | undefined {
  return proxyFromEnvironment(new URL(url), environment)
}

describe('the proxy of a URL from the environment', () => {
  it('is that of its scheme, else of all, the lower-case name first', () => {
    const environment = { https_proxy: 'http://a:1', HTTPS_PROXY: 'http://b:1', ALL_PROXY: 'socks5://c:1' }
    expect(proxyOf('https://x.test', environment)).toBe('http://a:1')
    expect(proxyOf('http://x.test', environment)).toBe('socks5://c:1')
    expect(proxyOf('https://x.test', { HTTPS_PROXY: 'b:1' })).toBe('http://b:1')
    expect(proxyOf('https://x.test', {})).toBeUndefined()
  })

  it('is never HTTP_PROXY, which a client of a CGI program could set', () => {
    expect(proxyOf('http://x.test', { HTTP_PROXY: 'http://a:1' })).toBeUndefined()
    expect(proxyOf('http://x.test', { http_proxy: 'http://a:1' })).toBe('http://a:1')
  })

  it('is none where the variable of the scheme is empty', () => {
    expect(proxyOf('https://x.test', { https_proxy: '', all_proxy: 'http://a:1' })).toBeUndefined()
  })

  it.each([
    ['x.test', 'https://x.test', true],
    ['x.test', 'https://a.x.test', true],
    ['.x.test', 'https://x.test', true],
    ['x.test', 'https://ax.test', false],
    ['X.TEST.', 'https://x.test', true],
    ['a.test, x.test b.test', 'https://x.test:8443', true],
    ['*', 'https://x.test', true],
    ['*.test', 'https://x.test', false],
    ['', 'https://x.test', false],
    [',', 'https://x.test', false],
    ['192.0.2.1', 'https://192.0.2.1', true],
    ['2.1', 'https://192.0.2.1', false],
    ['192.0.2.0/24', 'https://192.0.2.77', true],
    ['192.0.2.0/33', 'https://192.0.2.77', false],
    ['192.0.2.0/x', 'https://192.0.2.77', false],
    ['::1', 'https://[::1]', true],
    ['[::1]', 'https://[::1]', true],
    ['2001:db8::/32', 'https://[2001:db8::5]', true],
    ['10.0.0.0/8', 'https://[2001:db8::5]', false],
  ])('is bypassed by no_proxy %j for %s: %s', (list, url, isDirect) => {
    const proxy = proxyOf(url, { all_proxy: 'http://a:1', no_proxy: list })
    expect(proxy === undefined).toBe(isDirect)
  })
})
