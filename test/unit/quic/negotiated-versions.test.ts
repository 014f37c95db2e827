import { describe, expect, it } from 'vitest'
import { negotiatedVersions, versionMismatch } from '../../../src/quic/negotiated-versions.ts'

/** A Version Negotiation packet with ids of 2 and 3 bytes. */
function packet(...versions: readonly number[]): Buffer {
  const list = Buffer.alloc(4 * versions.length)
  for (const [index, version] of versions.entries()) list.writeUInt32BE(version, 4 * index)
  return Buffer.concat([Buffer.of(0x80, 0, 0, 0, 0, 2, 1, 2, 3, 1, 2, 3), list])
}

describe('negotiatedVersions', () => {
  it('are those of the list, without reserved ones', () => {
    expect(negotiatedVersions(packet(0x6b3343cf, 0x1a2a3a4a, 0xff00001d))).toEqual([0x6b3343cf, 0xff00001d])
    expect(negotiatedVersions(packet())).toEqual([])
  })

  it('are none of other packets, and of pieces', () => {
    const whole = packet(1)
    expect(negotiatedVersions(Buffer.of(0x40, ...whole.subarray(1)))).toBeUndefined()
    expect(negotiatedVersions(Buffer.of(0x80, 0, 0, 0, 1, ...whole.subarray(5)))).toBeUndefined()
    for (let bytes = 0; bytes < 9; bytes++)
      expect(negotiatedVersions(whole.subarray(0, bytes))).toBeUndefined()
    expect(negotiatedVersions(whole.subarray(0, whole.length - 1))).toEqual([])
  })

  it('are bounded', () => {
    expect(negotiatedVersions(packet(...Array.from({ length: 40 }, (_, index) => index + 100)))).toHaveLength(
      16,
    )
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
})
