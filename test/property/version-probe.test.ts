import { describe, expect, it } from 'vitest'
import {
  VERSION_PROBE_BYTES,
  versionProbe,
  versionsOf,
} from '../../src/origin/probing/version-probe-packet.ts'
import { fc } from '../support/property.ts'

const randomBytes = fc.uint8Array({ minLength: VERSION_PROBE_BYTES, maxLength: VERSION_PROBE_BYTES })
const isReserved = (version: number): boolean => (version & 0x0f0f0f0f) === 0x0a0a0a0a

/** What RFC 9000 17.2.1 makes a server send. */
function negotiation(packet: Buffer, first: number, versions: readonly number[]): Buffer {
  const list = Buffer.alloc(4 * versions.length)
  versions.forEach((version, i) => list.writeUInt32BE(version, 4 * i))
  const [destination, source] = [packet.subarray(15, 23), packet.subarray(6, 14)]
  return Buffer.concat([Buffer.of(0x80 | first, 0, 0, 0, 0, 8), destination, Buffer.of(8), source, list])
}

describe('a version probe', () => {
  it('is always a long header of a reserved version', () => {
    fc.assert(
      fc.property(randomBytes, random => {
        const { packet } = versionProbe(random)
        expect(packet[0]! & 0xc0).toBe(0xc0)
        expect(isReserved(packet.readUInt32BE(1))).toBe(true)
        expect(packet.length).toBe(VERSION_PROBE_BYTES)
      }),
      { numRuns: 50 },
    )
  })

  it('reads every answer that a server may make', () => {
    const version = fc.integer({ min: 0, max: 0xffff_ffff })
    const versions = fc.array(version, { minLength: 1, maxLength: 40 })
    fc.assert(
      fc.property(randomBytes, fc.nat(0x7f), versions, (random, first, listed) => {
        const probe = versionProbe(random)
        const found = versionsOf(negotiation(probe.packet, first, listed), probe)
        if (listed.includes(probe.packet.readUInt32BE(1))) expect(found).toBeUndefined()
        else expect(found).toEqual([...new Set(listed)].filter(version => !isReserved(version)))
      }),
      { numRuns: 200 },
    )
  })

  it('accepts no answer in which a byte of the ids, or the length, differs', () => {
    fc.assert(
      fc.property(
        randomBytes,
        fc.integer({ min: 1, max: 22 }),
        fc.integer({ min: 1, max: 255 }),
        (random, at, flip) => {
          const probe = versionProbe(random)
          const datagram = negotiation(probe.packet, 0, [1])
          datagram[at] = datagram[at]! ^ flip
          expect(versionsOf(datagram, probe)).toBeUndefined()
        },
      ),
      { numRuns: 200 },
    )
  })

  it('survives any bytes', () => {
    const probe = versionProbe(Uint8Array.from({ length: VERSION_PROBE_BYTES }, (_, i) => i * 89 + 5))
    const head = fc.constantFrom(
      [],
      [0x80],
      [0x80, 0, 0, 0, 0],
      [0x80, 0, 0, 0, 0, 8, ...probe.packet.subarray(15, 23)],
    )
    fc.assert(
      fc.property(head, fc.uint8Array({ maxLength: 300 }), (head, tail) => {
        expect(versionsOf(Buffer.concat([Buffer.from(head), tail]), probe)).toBeUndefined()
      }),
      { numRuns: 500 },
    )
  })
})
