import { describe, expect, it } from 'vitest'
import { requestKey } from '../../../src/balance/request-key.ts'

const request = {
  path: '/a?b=c',
  headers: ['x-user', '7', 'cookie', 'theme=dark; session="a=b"', 'cookie', 'Session=z; empty='],
}

describe('the key of a request', () => {
  it.each([
    ['path', '/a?b=c'],
    ['header:X-User', '7'],
    ['header:x-none', undefined],
    ['cookie:session', '"a=b"'],
    ['cookie:Session', 'z'],
    ['cookie:empty', ''],
    ['cookie:sess', undefined],
  ])('by %s is %s', (hashBy, expected) => {
    expect(requestKey(hashBy, request)).toBe(expected)
  })
})
