import { describe, expect, it } from 'vitest'
import {
  destinationId,
  isVersionNegotiation,
  readVersionNegotiation,
  versionMismatch,
} from '../../../src/quic/invariant-header.ts'
import { fc } from '../../support/property.ts'

/** A Version Negotiation packet with ids of 2 and 3 bytes. */
function packet(...versions: readonly number[]): Buffer {
  const list = Buffer.alloc(4 * versions.length)
  for (const [index, version] of versions.entries()) list.writeUInt32BE(version, 4 * index)
  return Buffer.concat([Buffer.of(0x80, 0, 0, 0, 0, 2, 1, 2, 3, 1, 2, 3), list])
}

describe('readVersionNegotiation', () => {
  it('returns the ids, and the versions without reserved ones', () => {
    expect(readVersionNegotiation(packet(0x6b3343cf, 0x1a2a3a4a, 0xff00001d))).toEqual({
      destinationId: Buffer.of(1, 2),
      sourceId: Buffer.of(1, 2, 3),
      versions: [0x6b3343cf, 0xff00001d],
    })
    expect(readVersionNegotiation(packet(0x1a2a3a4a))?.versions).toEqual([])
  })

  it('ignores other packets', () => {
    const whole = packet(1)
    for (const other of [
      Buffer.of(0x40, ...whole.subarray(1)),
      Buffer.of(0x80, 0, 0, 0, 1, ...whole.subarray(5)),
    ]) {
      expect(readVersionNegotiation(other)).toBeUndefined()
      expect(isVersionNegotiation(other)).toBe(false)
    }
  })

  it('ignores incomplete packets: a list has a version, and whole ones', () => {
    const whole = packet(1, 2)
    for (let bytes = 0; bytes < whole.length; bytes++) {
      const versions = bytes === whole.length - 4 ? [1] : undefined
      expect(readVersionNegotiation(whole.subarray(0, bytes))?.versions).toEqual(versions)
      expect(isVersionNegotiation(whole.subarray(0, bytes))).toBe(bytes >= 5)
    }
    // An id that would be longer than the packet.
    expect(readVersionNegotiation(Buffer.of(0x80, 0, 0, 0, 0, 255, 1, 2, 3))).toBeUndefined()
  })
})

describe('versionMismatch', () => {
  it.each([
    [[0x6b3343cf], 'speaks QUIC version 2 only, which this engine does not'],
    [
      [0xff00001d, 0x12345678],
      'speaks QUIC draft 29 and version 0x12345678 only, which this engine does not',
    ],
    [[], 'speaks no version of QUIC that it names'],
  ])('describes %j', (versions, text) => {
    expect(versionMismatch(versions)).toBe(text)
  })

  it('names 16 versions at most', () => {
    const versions = Array.from({ length: 40 }, (_, index) => index + 100)
    expect(versionMismatch(versions).match(/0x/g)).toHaveLength(16)
  })
})

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
