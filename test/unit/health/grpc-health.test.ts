import { describe, expect, it } from 'vitest'
import { decodeHealthResponse, encodeHealthRequest } from '../../../src/health/grpc-health.ts'
import { fc } from '../../support/property.ts'

describe('the messages of grpc.health.v1', () => {
  it('asks for the server as a whole with an empty message, and for a service with its name', () => {
    expect(encodeHealthRequest('').toString('hex')).toBe('0000000000')
    expect(encodeHealthRequest('shop.Cart').toString('hex')).toBe(
      `000000000b0a09${Buffer.from('shop.Cart').toString('hex')}`,
    )
    expect(encodeHealthRequest('a'.repeat(200)).subarray(5, 8).toString('hex')).toBe('0ac801')
  })

  it.each([
    ['00000000020801', 'SERVING'],
    ['00000000020802', 'NOT_SERVING'],
    ['00000000020803', 'SERVICE_UNKNOWN'],
    ['0000000000', 'UNKNOWN'],
    // A field of a later version is passed over: 2, of two bytes.
    ['00000000061202ffff0801', 'SERVING'],
  ])('reads %s as %s', (hex, status) => {
    expect(decodeHealthResponse(Buffer.from(hex, 'hex'))).toBe(status)
  })

  it.each([
    '',
    '00000000',
    '01000000020801', // compressed
    '00000000030801', // longer than it is
    '000000000208', // cut off
    '00000000020880',
    '0000000002080a', // no such status
    '000000000212ff', // a field that ends behind the message
    '00ffffffff0801',
    '0000000001ff',
  ])('treats %s as no answer', hex => {
    expect(decodeHealthResponse(Buffer.from(hex, 'hex'))).toBeUndefined()
  })

  it('reads any bytes without a fault', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), bytes => {
        const prefix = Buffer.from([0, 0, 0, bytes.length >> 8, bytes.length & 0xff])
        decodeHealthResponse(bytes)
        decodeHealthResponse(Buffer.concat([prefix, bytes]))
      }),
    )
  })
})
