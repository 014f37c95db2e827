import { describe, expect, it } from 'vitest'
import { ResponseHeaders } from '../../../../src/service/forwarding/forwarded-headers.ts'
import { OwnName } from '../../../../src/service/forwarding/own-response.ts'

describe('the fields of a forwarded response', () => {
  it('name the protocol of the origin, behind the Via of the origin', () => {
    const response = new ResponseHeaders(new OwnName('middlemile', 'id'))
    expect(response.rewrite(['via', '1.0 fred'], 'h2')).toEqual([
      'via',
      '1.0 fred',
      'via',
      '2 middlemile (id)',
    ])
    expect(response.rewrite([], 'http/1.1')).toEqual(['via', '1.1 middlemile (id)'])
    expect(response.rewrite([], 'h3')).toEqual(['via', '3 middlemile (id)'])
  })

  it('lack the Alt-Svc of the origin, however often it came', () => {
    const response = new ResponseHeaders(new OwnName('middlemile', 'id'))
    const headers = ['alt-svc', 'h3=":443"', 'etag', '"a"', 'alt-svc', 'h2="b:8443"']
    expect(response.rewrite(headers, 'h2')).toEqual(['etag', '"a"', 'via', '2 middlemile (id)'])
    expect(response.rewrite(headers, 'h2')).toBe(response.rewrite(headers, 'h2'))
    expect(headers).toHaveLength(6)
  })

  it('are the same list for the same list and protocol, and only then', () => {
    const response = new ResponseHeaders(new OwnName('middlemile', 'id'))
    const headers = ['etag', '"a"']
    const first = response.rewrite(headers, 'h2')
    expect(response.rewrite(headers, 'h2')).toBe(first)
    expect(response.rewrite(headers, 'http/1.1')).toEqual(['etag', '"a"', 'via', '1.1 middlemile (id)'])
    expect(response.rewrite(headers, 'h2')).toEqual(first)
    expect(response.rewrite(['etag', '"b"'], 'h2')).toContain('"b"')
  })
})
