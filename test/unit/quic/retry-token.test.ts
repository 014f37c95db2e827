import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { openRetryToken, sealRetryToken } from '../../../src/quic/retry-token.ts'
import { fc } from '../../support/property.ts'

const key = Buffer.alloc(32, 1)
const address = { host: '192.0.2.1', port: 1000 }
const originalId = Buffer.from('0123456789')
const retryId = Buffer.alloc(16, 2)
const token = sealRetryToken(key, { address, originalId, retryId }, 5_000)

describe('retry tokens', () => {
  it('contain the original id, and are valid for ten seconds', () => {
    expect(openRetryToken(key, token, address, retryId, 5_000)).toEqual(originalId)
    expect(openRetryToken(key, token, address, retryId, 15_000)).toEqual(originalId)
    expect(openRetryToken(key, token, address, retryId, 15_001)).toBeUndefined()
    expect(openRetryToken(key, token, address, retryId, 4_999)).toBeUndefined()
  })

  it('are valid for one address, id and key', () => {
    expect(openRetryToken(key, token, { ...address, port: 1001 }, retryId, 5_000)).toBeUndefined()
    expect(openRetryToken(key, token, { ...address, host: '192.0.2.2' }, retryId, 5_000)).toBeUndefined()
    expect(openRetryToken(key, token, address, randomBytes(16), 5_000)).toBeUndefined()
    expect(openRetryToken(randomBytes(32), token, address, retryId, 5_000)).toBeUndefined()
  })

  it('are refused with any bit flipped, and when they are garbage', () => {
    fc.assert(
      fc.property(fc.nat(token.length - 1), fc.nat(7), (at, bit) => {
        const broken = Buffer.from(token)
        broken[at]! ^= 1 << bit
        expect(openRetryToken(key, broken, address, retryId, 5_000)).toBeUndefined()
      }),
    )
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), bytes => {
        expect(openRetryToken(key, Buffer.from(bytes), address, retryId, 5_000)).toBeUndefined()
      }),
    )
  })
})
