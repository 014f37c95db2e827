import { describe, expect, it } from 'vitest'
import {
  combinedHeaderValue,
  hasHeader,
  headersToRecord,
  headerValue,
} from '../../../../src/base/http/headers.ts'

const list = [
  'a',
  '1',
  'set-cookie',
  'x=1',
  'a',
  '2',
  '__proto__',
  'p',
  'set-cookie',
  'y=2',
  'set-cookie',
  'z=3',
]

describe('a header list', () => {
  it('answers the first value, or all of them as one', () => {
    expect(headerValue(list, 'a')).toBe('1')
    expect(combinedHeaderValue(list, 'a')).toBe('1, 2')
    expect(headerValue(list, '1')).toBeUndefined()
    expect(combinedHeaderValue(list, 'b')).toBeUndefined()
    expect(hasHeader(list, 'set-cookie')).toBe(true)
    expect(hasHeader(list, 'x=1')).toBe(false)
  })

  it('becomes an object without a prototype that a name could reach', () => {
    const record = headersToRecord(list)
    expect(record['set-cookie']).toEqual(['x=1', 'y=2', 'z=3'])
    expect(record['a']).toEqual(['1', '2'])
    expect(Object.getPrototypeOf(record)).toBeNull()
    expect(Object.keys(record)).toContain('__proto__')
  })
})
