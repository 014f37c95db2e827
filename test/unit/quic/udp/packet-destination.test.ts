import { describe, expect, it } from 'vitest'
import { destinationId } from '../../../../src/quic/udp/packet-destination.ts'
import { fc } from '../../../support/property.ts'

describe('destinationId', () => {
  it('reads short headers with the length that we give', () => {
    const id = Buffer.from('0123456789abcdef')
    expect(destinationId(Buffer.concat([Buffer.of(0x40), id, Buffer.alloc(5)]), 16)).toBe('0123456789abcdef')
    expect(destinationId(Buffer.concat([Buffer.of(0x40), id.subarray(1)]), 16)).toBeUndefined()
  })

  it('reads long headers with the length that they say', () => {
    const packet = Buffer.concat([Buffer.of(0xc0, 0, 0, 0, 1, 3), Buffer.from('abc'), Buffer.of(0)])
    expect(destinationId(packet, 16)).toBe('abc')
    expect(destinationId(packet.subarray(0, 8), 16)).toBeUndefined()
    expect(destinationId(Buffer.alloc(0), 16)).toBeUndefined()
    expect(destinationId(Buffer.of(0xc0), 16)).toBeUndefined()
  })

  it('reads nothing beyond the datagram', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), bytes => {
        const id = destinationId(Buffer.from(bytes), 16)
        if (id !== undefined) expect(id.length).toBeLessThan(bytes.length)
      }),
    )
  })
})
