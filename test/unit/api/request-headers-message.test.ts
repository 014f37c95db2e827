import { describe, expect, it } from 'vitest'
import { prepareMessage } from '../../../src/api/request-headers.ts'
import type { BodySource, RequestBody } from '../../../src/base/http/exchange.ts'

describe('prepareMessage', () => {
  const source = (body: RequestBody): BodySource => {
    if (body === null || body instanceof Uint8Array) throw new Error('expected a source')
    return body
  }

  it('gives a stream the length that the headers declare', () => {
    const { headers, body } = prepareMessage({ 'Content-Length': '3' }, ['abc'][Symbol.iterator]())
    expect(headers).toEqual(['content-length', '3'])
    expect(source(body).length).toBe(3)
  })

  it.each(['', '-1', '1e3', 'x', '9999999999999999'])('gives it none when they declare %j', declared => {
    const { body } = prepareMessage({ 'content-length': declared }, ['abc'][Symbol.iterator]())
    expect(source(body).length).toBeUndefined()
  })

  it.each([
    [new URLSearchParams({ a: 'b' }), 'application/x-www-form-urlencoded;charset=UTF-8'],
    [new Blob(['x'], { type: 'image/png' }), 'image/png'],
  ])('adds the content-type that the body implies', (body, contentType) => {
    expect(prepareMessage(undefined, body).headers).toEqual(['content-type', contentType])
  })

  it('leaves a given content-type alone', () => {
    const { headers } = prepareMessage({ 'Content-Type': 'mine' }, new URLSearchParams({ a: 'b' }))
    expect(headers).toEqual(['content-type', 'mine'])
  })

  it('passes the authority on', () => {
    expect(prepareMessage({ host: 'shop.test' }, null)).toEqual({
      headers: [],
      body: null,
      authority: 'shop.test',
    })
  })
})
