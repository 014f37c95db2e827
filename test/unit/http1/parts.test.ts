import { describe, expect, it } from 'vitest'
import { isAuthority, isSameAuthority } from '../../../src/http1/authority.ts'
import { READING_REQUEST } from '../../../src/http1/codec-failure.ts'
import { findName, hashStep, idOfName, nameOf, UNKNOWN_NAME } from '../../../src/http1/header-names.ts'
import { parseKeepAliveHint } from '../../../src/http1/hop-by-hop.ts'
import { decimalOf, requestFraming } from '../../../src/http1/message-framing.ts'

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

describe('header names', () => {
  const find = (text: string): number => {
    const bytes = Buffer.from(`..${text}..`, 'latin1')
    let hash = 0
    for (const byte of Buffer.from(text.toLowerCase(), 'latin1')) hash = hashStep(hash, byte)
    return findName(hash, bytes, 2, 2 + text.length)
  }

  it('are found in any case, as one string', () => {
    for (const text of ['Content-Length', 'content-length', 'CONTENT-LENGTH']) {
      expect(nameOf(find(text))).toBe('content-length')
    }
    expect(find('Content-Length')).toBe(idOfName('content-length'))
  })

  it('are unknown when they are in no table', () => {
    expect(find('x-nobody-has-this')).toBe(UNKNOWN_NAME)
    expect(find('')).toBe(UNKNOWN_NAME)
  })

  it('are not taken for another with the same hash', () => {
    // 31 * 'h' + 'o' = 31 * 'i' + 'P'
    const twin = Buffer.from('iPst', 'latin1')
    let hash = 0
    for (const byte of twin) hash = hashStep(hash, byte)
    let host = 0
    for (const byte of Buffer.from('host')) host = hashStep(host, byte)
    expect(hash).toBe(host)
    expect(findName(host, twin, 0, 4)).toBe(UNKNOWN_NAME)
  })
})

describe('decimalOf', () => {
  it.each([
    ['0', 0],
    ['5', 5],
    ['007', 7],
    ['999999999999999', 999_999_999_999_999],
  ])('reads %j', (text, number) => {
    expect(decimalOf(text)).toBe(number)
  })
  it.each(['', '+1', '-1', '1 ', '1.0', '1e3', '0x1', '1000000000000000', '\u0661'])('refuses %j', text => {
    expect(decimalOf(text)).toBeUndefined()
  })
})

describe('requestFraming', () => {
  it('takes a CONNECT that says it has no body', () => {
    const fields = { contentLength: '0', transferEncoding: undefined }
    expect(requestFraming('CONNECT', 1, fields, READING_REQUEST)).toBe(0)
  })
})

describe('parseKeepAliveHint', () => {
  it.each([
    [undefined, undefined],
    ['', undefined],
    ['timeout=5', { timeoutMs: 5000 }],
    ['timeout=5, max=100', { timeoutMs: 5000, maxRequests: 100 }],
    ['Max=0 , TIMEOUT = 15', { maxRequests: 0, timeoutMs: 15_000 }],
    ['timeout=x, max=-1, other=3, 5', undefined],
  ])('reads %j', (value, hint) => {
    expect(parseKeepAliveHint(value)).toEqual(hint)
  })
})
