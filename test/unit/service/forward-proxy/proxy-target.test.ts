import { describe, expect, it } from 'vitest'
import { DEFAULT_UDP_TEMPLATE, UdpTemplate } from '../../../../src/masque/udp-template.ts'
import { readProxyTarget, readUdpTarget } from '../../../../src/service/forward-proxy/proxy-target.ts'

const absolute = (authority: string, targetScheme: 'http' | 'https' = 'http') =>
  readProxyTarget({ method: 'GET', targetScheme, authority })
const connect = (authority: string) =>
  readProxyTarget({ method: 'CONNECT', targetScheme: undefined, authority })

describe('readProxyTarget', () => {
  it('reads absolute-form and CONNECT', () => {
    expect(absolute('Shop.Example:80')).toMatchObject({
      kind: 'http',
      origin: { key: 'http://shop.example' },
    })
    expect(absolute('[2001:db8::1]:8443', 'https')).toMatchObject({
      kind: 'https',
      origin: { host: '2001:db8::1', port: 8443 },
    })
    expect(connect('shop.example:22')).toMatchObject({
      kind: 'connect',
      origin: { host: 'shop.example', port: 22 },
    })
  })

  it('has no origin for a request in origin-form', () => {
    expect(readProxyTarget({ method: 'GET', targetScheme: undefined, authority: 'shop.example' })).toContain(
      'names no origin',
    )
  })

  it.each([
    '127.1',
    '2130706433',
    '0x7f000001',
    '0x7f.0.0.1',
    '017700000001',
    '0177.0.0.1',
    '127.0.0.01',
    '127.0.0.1.',
    '[::0001]',
    '[0:0:0:0:0:0:0:1]',
    '[::ffff:127.0.0.1]',
    '[2001:db8::0:1]',
    '1.2.3.4.5',
    'a.256',
    'a'.repeat(262),
  ])('refuses the spelling %s', host => {
    expect(absolute(host)).toBeTypeOf('string')
    expect(connect(`${host}:443`)).toBeTypeOf('string')
  })
})

describe('readUdpTarget', () => {
  const template = UdpTemplate.parse(DEFAULT_UDP_TEMPLATE)
  const read = (host: string, port = '443') =>
    typeof template === 'string'
      ? template
      : readUdpTarget(`/.well-known/masque/udp/${host}/${port}/`, template)

  it('reads the host and port of the path', () => {
    expect(read('shop.example', '8443')).toMatchObject({
      kind: 'udp',
      origin: { host: 'shop.example', port: 8443 },
    })
    expect(read('2001%3Adb8%3A%3A1')).toMatchObject({
      kind: 'udp',
      origin: { host: '2001:db8::1', port: 443 },
    })
  })

  it.each([
    '127.1',
    '0x7f000001',
    '%3A%3A0001',
    'a..b',
    'a%2Fb',
    'a%40b',
    'a%3A80',
    '%20',
    'a%00',
    '%5B%3A%3A1%5D',
  ])('refuses %s, which nobody writes so', host => {
    expect(typeof read(host)).toBe('string')
  })
})
