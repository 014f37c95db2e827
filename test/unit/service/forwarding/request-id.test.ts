import { describe, expect, it } from 'vitest'
import { RequestIds } from '../../../../src/service/forwarding/request-id.ts'

const ids = new RequestIds('x-request-id', () => 'made')

describe('the id of a request', () => {
  it('is that of the client where it is well-formed', () => {
    expect(ids.of(['accept', '*/*', 'x-request-id', 'abc-1'])).toBe('abc-1')
  })

  it.for(['', 'a b', 'a\tb', 'é', 'x'.repeat(129)])('is generated in place of %j', given => {
    expect(ids.of(['x-request-id', given])).toBe('made')
  })

  it('is generated where the client has none', () => {
    expect(ids.of(['accept', '*/*'])).toBe('made')
  })

  it('is passed on with the request, once', () => {
    const headers = ['x-request-id', 'abc', 'accept', '*/*']
    expect(ids.withId(headers, 'abc')).toBe(headers)
    expect(ids.withId(['accept', '*/*'], 'made')).toEqual(['accept', '*/*', 'x-request-id', 'made'])
    expect(ids.withId([...headers, 'x-request-id', 'other'], 'abc')).toEqual([
      'accept',
      '*/*',
      'x-request-id',
      'abc',
    ])
  })
})
