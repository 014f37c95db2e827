import { describe, expect, it } from 'vitest'
import { READING_REQUEST } from '../../../../../src/http/http1/codec/codec-failure.ts'
import { findName, idOfName, nameOf, UNKNOWN_NAME } from '../../../../../src/http/http1/codec/header-names.ts'
import { parseKeepAliveHint } from '../../../../../src/http/http1/codec/hop-by-hop.ts'
import { decimalOf, requestFraming } from '../../../../../src/http/http1/codec/message-framing.ts'

/** As many as the table has at least. */
const NAME_COUNT = 160

describe('header names', () => {
  const find = (text: string): number => {
    const bytes = Buffer.from(`..${text}..`, 'latin1')
    return findName(bytes, 2, 2 + text.length)
  }

  it('are found in any case, as one string', () => {
    for (const text of ['Content-Length', 'content-length', 'CONTENT-LENGTH']) {
      expect(nameOf(find(text))).toBe('content-length')
    }
  })

  it('are found, every one of the table', () => {
    for (let id = 0; id < NAME_COUNT; id++) {
      expect(find(nameOf(id).toUpperCase())).toBe(id)
      expect(idOfName(nameOf(id))).toBe(id)
    }
  })

  it('are unknown when they are in no table', () => {
    for (const text of ['x-nobody-has-this', 'x', '']) expect(find(text)).toBe(UNKNOWN_NAME)
  })

  it('are not taken for another that has the same slot', () => {
    // Length, first, middle and last two bytes are those of the name.
    for (const twin of ['hxst', 'cxxxxxx-xxxxth', 'CONTENT-XENGTH', 'content_length'])
      expect(find(twin)).toBe(UNKNOWN_NAME)
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
