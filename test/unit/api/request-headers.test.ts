import { describe, expect, it } from 'vitest'
import { type HeaderInput, prepareHeaders } from '../../../src/api/request-headers.ts'

describe('prepareHeaders', () => {
  it.each<[string, HeaderInput]>([
    ['an object', { 'X-A': '1', 'x-b': ['2', '3'] }],
    ['a flat list', ['X-A', '1', 'x-b', '2', 'x-b', '3']],
    [
      'pairs',
      [
        ['X-A', '1'],
        ['x-b', '2'],
        ['x-b', '3'],
      ][Symbol.iterator]() as Iterable<[string, string]>,
    ],
    [
      'a Map',
      new Map<string, string | string[]>([
        ['X-A', '1'],
        ['x-b', ['2', '3']],
      ]),
    ],
  ])('reads %s, names in lower case, in order', (_what, input) => {
    expect(prepareHeaders(input).headers).toEqual(['x-a', '1', 'x-b', '2', 'x-b', '3'])
  })

  it('reads a Headers, cookies one by one', () => {
    const headers = new Headers([
      ['set-cookie', 'a=1'],
      ['set-cookie', 'b=2'],
    ])
    expect(prepareHeaders(headers).headers).toEqual(['set-cookie', 'a=1', 'set-cookie', 'b=2'])
  })

  it.each([undefined, null, {}, []])('reads nothing out of %j', input => {
    expect(prepareHeaders(input)).toEqual({ headers: [], authority: undefined })
  })

  it('takes Host out as the authority, and refuses two', () => {
    expect(prepareHeaders({ Host: 'shop.test:8080', a: 'b' })).toEqual({
      headers: ['a', 'b'],
      authority: 'shop.test:8080',
    })
    expect(() => prepareHeaders(['host', 'a', 'Host', 'b'])).toThrow('host stands twice')
  })

  it('drops what belongs to the connection', () => {
    const input = {
      Connection: 'close',
      'Keep-Alive': 'x',
      'Transfer-Encoding': 'chunked',
      TE: 'trailers',
      Upgrade: 'x',
      'Proxy-Connection': 'x',
      'HTTP2-Settings': 'x',
      kept: 'yes',
    }
    expect(prepareHeaders(input).headers).toEqual(['kept', 'yes'])
  })

  it('makes text of plain values, leaves undefined out, and refuses what has no text', () => {
    const input = { n: 1, b: true, nothing: null, not: undefined } as unknown as HeaderInput // callers without types
    expect(prepareHeaders(input).headers).toEqual(['n', '1', 'b', 'true', 'nothing', ''])
    expect(() => prepareHeaders({ o: {} } as unknown as HeaderInput)).toThrow(
      'the value of the header o is no text',
    )
  })

  it('refuses a list of odd length', () => {
    expect(() => prepareHeaders(['a', 'b', 'c'])).toThrow('must alternate')
  })
})
