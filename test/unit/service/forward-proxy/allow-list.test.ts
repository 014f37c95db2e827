import { describe, expect, it } from 'vitest'
import { parseOrigin } from '../../../../src/index.ts'
import {
  type AllowEntry,
  AllowList,
  parseAllowEntry,
} from '../../../../src/service/forward-proxy/allow-list.ts'
import type { TargetKind } from '../../../../src/service/forward-proxy/proxy-target.ts'

function listOf(...entries: string[]): AllowList {
  return new AllowList(
    entries.map((text): AllowEntry => {
      const entry = parseAllowEntry(text)
      if (typeof entry === 'string') throw new Error(`${text}: ${entry}`)
      return entry
    }),
  )
}

function takes(list: AllowList, url: string, isTunnel = false): boolean {
  const origin = parseOrigin(url)
  const kind: TargetKind = isTunnel ? 'connect' : origin.scheme
  return list.has(kind, origin)
}

describe('AllowList', () => {
  it('takes UDP by entries that name it, and by no others', () => {
    const host = parseOrigin('https://shop.example')
    for (const entry of ['shop.example', '*', 'connect://shop.example', 'https://shop.example'])
      expect(listOf(entry).has('udp', host)).toBe(false)
    const list = listOf('udp://*.example:443,8443')
    expect(list.has('udp', host)).toBe(true)
    expect(list.has('udp', parseOrigin('https://shop.example:53'))).toBe(false)
    expect(list.has('connect', host)).toBe(false)
    expect(listOf('udp://shop.example').has('udp', host)).toBe(true)
  })

  it('takes a host at the usual ports, and at no others', () => {
    const list = listOf('shop.example')
    expect(takes(list, 'http://shop.example')).toBe(true)
    expect(takes(list, 'https://SHOP.example')).toBe(true)
    expect(takes(list, 'https://shop.example', true)).toBe(true)
    expect(takes(list, 'http://shop.example:443')).toBe(false)
    expect(takes(list, 'https://shop.example:80')).toBe(false)
    expect(takes(list, 'https://shop.example:22', true)).toBe(false)
    expect(takes(list, 'http://www.shop.example')).toBe(false)
    expect(takes(list, 'http://example')).toBe(false)
  })

  it('takes the ports that are listed instead', () => {
    const list = listOf('shop.example:8080,8443')
    expect(takes(list, 'http://shop.example:8080')).toBe(true)
    expect(takes(list, 'https://shop.example:8443', true)).toBe(true)
    expect(takes(list, 'http://shop.example')).toBe(false)
  })

  it('takes names under a suffix, at any depth, and not the suffix itself', () => {
    const list = listOf('*.shop.example')
    expect(takes(list, 'http://a.shop.example')).toBe(true)
    expect(takes(list, 'http://a.b.shop.example.')).toBe(true)
    expect(takes(list, 'http://shop.example')).toBe(false)
    expect(takes(list, 'http://evilshop.example')).toBe(false)
    expect(takes(list, 'http://shop.example.evil.example')).toBe(false)
  })

  it('holds an entry with a scheme to that', () => {
    const list = listOf('https://a.example', 'connect://b.example:22', 'b.example')
    expect(takes(list, 'http://a.example')).toBe(false)
    expect(takes(list, 'https://a.example')).toBe(true)
    expect(takes(list, 'https://a.example', true)).toBe(false)
    expect(takes(list, 'https://b.example:22', true)).toBe(true)
    expect(takes(list, 'https://b.example:22')).toBe(false)
    expect(takes(list, 'https://b.example')).toBe(true)
  })

  it('takes addresses by themselves only', () => {
    const list = listOf('192.0.2.1', '[2001:db8::1]:8443')
    expect(takes(list, 'http://192.0.2.1')).toBe(true)
    expect(takes(list, 'https://[2001:db8::1]:8443')).toBe(true)
    expect(takes(list, 'http://192.0.2.2')).toBe(false)
    expect(takes(listOf('*'), 'http://192.0.2.2')).toBe(true)
  })
})

describe('parseAllowEntry', () => {
  it.each([
    'http:/a.example',
    'ftp://a.example',
    'a.example/path',
    'a.example:',
    'a.example:0',
    'a.example:65536',
    'a.example:80-90',
    'user@a.example',
    '*a.example',
    'a.*.example',
    '*.*.example',
    '.example',
    'a..example',
    '127.1',
    '0x7f000001',
    '1.2.3.4.5',
    '[::ffff:127.0.0.1]',
    '[2001:DB8:0::1]',
    '2001:db8::1',
    '[fe80::1%eth0]',
    '',
    'a b',
  ])('refuses %s', text => {
    expect(parseAllowEntry(text)).toBeTypeOf('string')
  })
})
