import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { escapeJson, escapeText } from '../../../../src/service/access-log/escape-text.ts'

/** Anything that a string can hold, lone surrogates as well. */
const anything = fc.array(fc.integer({ min: 0, max: 0xffff })).map(codes => String.fromCharCode(...codes))
const limit = fc.integer({ min: 8, max: 200 })

describe('a value in a line of text', () => {
  it('stays as it is where it is printable ASCII', () => {
    expect(escapeText('/cart?id=1&x=[y]', 100)).toBe('/cart?id=1&x=[y]')
  })

  it('begins no other line, and closes no quotes', () => {
    expect(escapeText('a\r\nb"c\\d\x1b[31m\x7fé\u2028', 100)).toBe(
      'a\\x0D\\x0Ab\\x22c\\x5Cd\\x1B[31m\\x7F\\xE9\\u2028',
    )
  })

  it('is cut between two escapes, and marked as cut', () => {
    expect(escapeText('abcdefghij', 8)).toBe('abcde...')
    expect(escapeText('ab\n\n\n', 8)).toBe('ab...')
    expect(escapeText('abcdefgh', 8)).toBe('abcdefgh')
  })

  it('is printable ASCII without quotes and not too long, whatever it was', () => {
    fc.assert(
      fc.property(anything, limit, (value, max) => {
        const text = escapeText(value, max)
        expect(text).toMatch(/^[\x20-\x21\x23-\x7e]*$/)
        expect(text.length).toBeLessThanOrEqual(max)
      }),
    )
  })
})

describe('a value in a line of JSON', () => {
  it('is read back unchanged, where it is short enough', () => {
    fc.assert(
      fc.property(anything, value => {
        const text = escapeJson(value, Number.POSITIVE_INFINITY)
        expect(text).toMatch(/^[\x20-\x7e]*$/)
        expect(JSON.parse(`"${text}"`)).toBe(value)
      }),
    )
  })

  it('is a string of JSON when it was cut, too', () => {
    fc.assert(
      fc.property(anything, limit, (value, max) => {
        const text = escapeJson(value, max)
        expect(text.length).toBeLessThanOrEqual(max)
        const read: unknown = JSON.parse(`"${text}"`)
        expect(read === value || String(read).endsWith('...')).toBe(true)
      }),
    )
  })
})
