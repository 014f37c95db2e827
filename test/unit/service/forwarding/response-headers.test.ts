import { describe, expect, it } from 'vitest'
import { OwnName } from '../../../../src/service/forwarding/own-name.ts'
import { ResponseVia } from '../../../../src/service/forwarding/response-headers.ts'

describe('ResponseVia', () => {
  it('names the protocol that the origin spoke, behind what the origin says itself', () => {
    const via = new ResponseVia(new OwnName('middlemile', 'id'))
    expect(via.append(['via', '1.0 fred'], 'h2')).toEqual(['via', '1.0 fred', 'via', '2 middlemile (id)'])
    expect(via.append([], 'http/1.1')).toEqual(['via', '1.1 middlemile (id)'])
    expect(via.append([], 'h3')).toEqual(['via', '3 middlemile (id)'])
  })

  it('answers with the same list for the same list and protocol, and only then', () => {
    const via = new ResponseVia(new OwnName('middlemile', 'id'))
    const headers = ['etag', '"a"']
    const first = via.append(headers, 'h2')
    expect(via.append(headers, 'h2')).toBe(first)
    expect(via.append(headers, 'http/1.1')).toEqual(['etag', '"a"', 'via', '1.1 middlemile (id)'])
    expect(via.append(headers, 'h2')).toEqual(first)
    expect(via.append(['etag', '"b"'], 'h2')).toContain('"b"')
  })
})
