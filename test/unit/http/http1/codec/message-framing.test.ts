import { describe, expect, it } from 'vitest'
import { READING_REQUEST } from '../../../../../src/http/http1/codec/codec-failure.ts'
import { decimalOf, requestFraming } from '../../../../../src/http/http1/codec/message-framing.ts'

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
  it('accepts a CONNECT that says it has no body', () => {
    const fields = { contentLength: '0', transferEncoding: undefined }
    expect(requestFraming('CONNECT', 1, fields, READING_REQUEST)).toBe(0)
  })
})
