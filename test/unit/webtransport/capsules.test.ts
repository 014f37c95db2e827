import { describe, expect, it } from 'vitest'
import { CapsuleFault } from '../../../src/http/http3/frames/capsule-reader.ts'
import { type Capsule, capsuleReader, encodeCapsule } from '../../../src/webtransport/capsules.ts'
import { varint } from '../../support/http3-wire.ts'
import { fc } from '../../support/property.ts'

function parsed(bytes: Buffer, pieceBytes = bytes.length): Capsule[] {
  const capsules: Capsule[] = []
  const parser = capsuleReader(capsule => capsules.push(capsule))
  for (let at = 0; at < bytes.length; at += pieceBytes) parser.receive(bytes.subarray(at, at + pieceBytes))
  return capsules
}

const anyCapsule: fc.Arbitrary<Capsule> = fc.oneof(
  fc.record({
    type: fc.constant('close' as const),
    closeCode: fc.nat(0xffff_ffff),
    reason: fc.string({ maxLength: 100 }),
  }),
  fc.constant<Capsule>({ type: 'drain' }),
  fc.record({ type: fc.constant('max-data' as const), value: fc.nat(Number.MAX_SAFE_INTEGER) }),
  fc.record({
    type: fc.constant('max-streams' as const),
    direction: fc.constantFrom('bidirectional' as const, 'unidirectional' as const),
    value: fc.nat(2 ** 40),
  }),
)
/** Of an extension: it passes by. */
const unknown = fc
  .uint8Array({ maxLength: 300 })
  .map(bytes => Buffer.concat([varint(0x1234_5678), varint(bytes.length), bytes]))

describe('a capsule', () => {
  it('is the same behind the wire, among unknown ones, in whatever pieces it comes', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(anyCapsule, fc.option(unknown)), { maxLength: 6 }),
        fc.integer({ min: 1, max: 40 }),
        (list, pieceBytes) => {
          const bytes = Buffer.concat(
            list.flatMap(([capsule, other]) => [encodeCapsule(capsule), ...(other === null ? [] : [other])]),
          )
          expect(parsed(bytes, pieceBytes)).toEqual(list.map(([capsule]) => capsule))
        },
      ),
    )
  })

  it('that is noise throws nothing but a fault of the peer', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.integer({ min: 1, max: 50 }), (noise, pieceBytes) => {
        try {
          parsed(Buffer.from(noise), pieceBytes)
        } catch (error) {
          expect(error).toBeInstanceOf(CapsuleFault)
        }
      }),
    )
  })

  it('that ends a session has a code and at most 1024 bytes of a reason', () => {
    expect(() => parsed(Buffer.concat([varint(0x2843), varint(3), Buffer.alloc(3)]))).toThrow(CapsuleFault)
    expect(() => parsed(Buffer.concat([varint(0x2843), varint(1029)]))).toThrow(CapsuleFault)
    const [cut] = parsed(encodeCapsule({ type: 'close', closeCode: 1, reason: 'ä'.repeat(600) }))
    expect(cut).toEqual({ type: 'close', closeCode: 1, reason: 'ä'.repeat(512) })
  })

  it('of a limit is one integer', () => {
    expect(() => parsed(Buffer.concat([varint(0x190b4d3d), varint(2), Buffer.from([1, 1])]))).toThrow(
      CapsuleFault,
    )
  })

  it('keeps nothing of an unknown one, however long it says that it is', () => {
    const parser = capsuleReader(() => {})
    parser.receive(Buffer.concat([varint(0x99), Buffer.from('ffffffffffffffff', 'hex')]))
    for (let i = 0; i < 1_000; i++) parser.receive(Buffer.alloc(65_536))
    expect(parser.isWithinCapsule).toBe(true)
  })
})
