import { describe, expect, it } from 'vitest'
import { encodeDatagram, readDatagram } from '../../../../../src/http/http3/frames/datagrams.ts'
import { varint } from '../../../../support/http3-wire.ts'

describe('a datagram (RFC 9297 2.1)', () => {
  it.each([0, 4, 252, 256, 65_532, 2 ** 32, 2 ** 52])('for stream %i is read as it was written', streamId => {
    const bytes = encodeDatagram(streamId, Buffer.from('payload'))
    expect(readDatagram(bytes)).toEqual({ streamId, payload: Buffer.from('payload') })
  })

  it('without an id, or with one that no stream has, is refused', () => {
    for (const bytes of [Buffer.alloc(0), Buffer.of(0x80, 0), varint(2 ** 52), Buffer.alloc(8, 0xff)]) {
      expect(() => readDatagram(bytes)).toThrow(expect.objectContaining({ code: 'H3_DATAGRAM_ERROR' }))
    }
  })
})
