import { describe, expect, it } from 'vitest'
import { CapsuleReader, encodeCapsuleFrame } from '../../../../../src/http/http3/frames/capsule-reader.ts'
import { varint } from '../../../../support/http3-wire.ts'

describe('a reader of capsules', () => {
  it('takes a payload that comes byte by byte, with a copy of each byte twice at the most', () => {
    const payload = Buffer.from(Array.from({ length: 60_000 }, (_, at) => at % 251))
    const taken: Buffer[] = []
    const reader = new CapsuleReader(new Map([[7, 65_536]]), (type, bytes) => {
      expect(type).toBe(7)
      taken.push(Buffer.from(bytes))
    })
    const { copy } = Buffer.prototype
    let copied = 0
    Buffer.prototype.copy = function (...args: Parameters<typeof copy>): number {
      const bytes = copy.apply(this, args)
      copied += bytes
      return bytes
    }
    try {
      for (const byte of encodeCapsuleFrame(7, payload)) reader.receive(Buffer.of(byte))
    } finally {
      Buffer.prototype.copy = copy
    }
    expect(taken).toEqual([payload])
    expect(copied).toBeLessThan(3 * payload.length)
  })

  it('sets nothing aside for a length alone', () => {
    const readers = Array.from({ length: 2_000 }, () => new CapsuleReader(new Map([[0, 65_536]]), () => {}))
    const before = process.memoryUsage().arrayBuffers
    for (const reader of readers) reader.receive(Buffer.concat([varint(0), varint(65_000), Buffer.alloc(1)]))
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2_000 * 8_192)
    expect(readers.every(({ isWithinCapsule }) => isWithinCapsule)).toBe(true)
  })
})
