import { describe, expect, it } from 'vitest'
import { CapsuleFault } from '../../../src/http/http3/frames/capsule-reader.ts'
import {
  datagramCapsules,
  encodeUdpCapsule,
  encodeUdpPayload,
  MAX_UDP_PAYLOAD_BYTES,
  readUdpPayload,
} from '../../../src/masque/udp-datagrams.ts'
import { varint } from '../../support/http3-wire.ts'
import { fc } from '../../support/property.ts'

/** What a tunnel reads out of those bytes. */
function payloadsOf(bytes: Buffer, pieceBytes: number): Buffer[] {
  const payloads: Buffer[] = []
  const reader = datagramCapsules(datagram => {
    const payload = readUdpPayload(datagram)
    if (payload !== undefined) payloads.push(Buffer.from(payload))
  })
  for (let at = 0; at < bytes.length; at += pieceBytes) reader.receive(bytes.subarray(at, at + pieceBytes))
  return payloads
}

const payload = fc.uint8Array({ maxLength: 3_000 }).map(bytes => Buffer.from(bytes))
/** Capsules of extensions, and datagrams of other contexts. */
const other = fc.oneof(
  fc.uint8Array({ maxLength: 300 }).map(bytes => Buffer.concat([varint(0x29), varint(bytes.length), bytes])),
  fc
    .uint8Array({ maxLength: 100 })
    .map(bytes => Buffer.concat([varint(0), varint(bytes.length + 1), varint(2), bytes])),
)

describe('a UDP payload', () => {
  it('is the same behind capsules, among unknown ones and other contexts, in whatever pieces they come', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(payload, fc.option(other)), { maxLength: 5 }),
        fc.integer({ min: 1, max: 4_000 }),
        (list, pieceBytes) => {
          const bytes = Buffer.concat(
            list.flatMap(([one, between]) => [encodeUdpCapsule(one), ...(between === null ? [] : [between])]),
          )
          expect(payloadsOf(bytes, pieceBytes)).toEqual(list.map(([one]) => one))
        },
      ),
    )
  })

  it('is the same behind a datagram, and of another context it is none', () => {
    fc.assert(
      fc.property(payload, one => {
        expect(readUdpPayload(encodeUdpPayload(one))).toEqual(one)
      }),
    )
    for (const datagram of ['', '01', '4000', '40', 'ffffffffffffffff'].map(hex => Buffer.from(hex, 'hex')))
      expect(readUdpPayload(datagram)).toEqual(
        datagram.toString('hex') === '4000' ? Buffer.alloc(0) : undefined,
      )
    expect(readUdpPayload(encodeUdpPayload(Buffer.alloc(MAX_UDP_PAYLOAD_BYTES)))).toBeDefined()
    expect(readUdpPayload(encodeUdpPayload(Buffer.alloc(MAX_UDP_PAYLOAD_BYTES + 1)))).toBeUndefined()
  })

  it('that no UDP datagram could hold is refused by the length of its capsule', () => {
    const length = MAX_UDP_PAYLOAD_BYTES + 9
    expect(() => payloadsOf(Buffer.concat([varint(0), varint(length)]), 100)).toThrow(CapsuleFault)
  })

  it('that is noise throws nothing but a fault of the peer', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.integer({ min: 1, max: 50 }), (noise, pieceBytes) => {
        try {
          payloadsOf(Buffer.from(noise), pieceBytes)
        } catch (error) {
          expect(error).toBeInstanceOf(CapsuleFault)
        }
      }),
    )
  })
})
