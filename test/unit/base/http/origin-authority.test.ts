import { describe, expect, it } from 'vitest'
import { isAuthority, isSameAuthority } from '../../../../src/base/http/origin.ts'

describe('isAuthority', () => {
  it.each(['a', 'a.b-c_d~e', 'a:1', 'a:65535', '127.0.0.1:80', '[::1]', '[2001:db8::1]:443', 'A.EXAMPLE'])(
    'takes %j',
    text => {
      expect(isAuthority(text)).toBe(true)
    },
  )
  it.each([
    '',
    ':',
    ':80',
    'a:',
    'a:0',
    'a:65536',
    'a:123456',
    'a:8o',
    'a:+80',
    'a b',
    'a/b',
    'a@b',
    'a,b',
    'a;b',
    'a%20',
    'a\\b',
    '[]',
    '[::1',
    '[::1]x',
    '[::g]',
    '::1',
    'a:1:2',
    '\xe9',
    'a\0',
    '\u0161',
  ])('refuses %j', text => {
    expect(isAuthority(text)).toBe(false)
  })
})

describe('isSameAuthority', () => {
  it('compares without case and without the default port', () => {
    expect(isSameAuthority('A:80', 'a', '80')).toBe(true)
    expect(isSameAuthority('a:8080', 'a', '80')).toBe(false)
    expect(isSameAuthority('[::80]', '[:', '80')).toBe(false)
  })
})
