import { describe, expect, it } from 'vitest'
import {
  isVersionNegotiation,
  readVersionNegotiation,
  versionMismatch,
} from '../../../src/quic/negotiated-versions.ts'

/** A Version Negotiation packet with ids of 2 and 3 bytes. */
function packet(...versions: readonly number[]): Buffer {
  const list = Buffer.alloc(4 * versions.length)
  for (const [index, version] of versions.entries()) list.writeUInt32BE(version, 4 * index)
  return Buffer.concat([Buffer.of(0x80, 0, 0, 0, 0, 2, 1, 2, 3, 1, 2, 3), list])
}

describe('readVersionNegotiation', () => {
  it('gives the ids, and the versions without reserved ones', () => {
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

  it('ignores pieces: a list has a version, and whole ones', () => {
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
  ])('of %j', (versions, text) => {
    expect(versionMismatch(versions)).toBe(text)
  })

  it('names 16 at most', () => {
    const versions = Array.from({ length: 40 }, (_, index) => index + 100)
    expect(versionMismatch(versions).match(/0x/g)).toHaveLength(16)
  })
})
