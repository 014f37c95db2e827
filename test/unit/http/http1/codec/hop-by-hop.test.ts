import { describe, expect, it } from 'vitest'
import { parseKeepAliveHint } from '../../../../../src/http/http1/codec/hop-by-hop.ts'

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
