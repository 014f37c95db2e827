import { describe, expect, it } from 'vitest'
import { CHUNK_OVERHEAD_BYTES, ChunkQueue } from '../../../src/base/chunk-queue.ts'
import { fc } from '../../support/property.ts'

function drained(queue: ChunkQueue): Buffer[] {
  const chunks: Buffer[] = []
  for (let chunk = queue.shift(); chunk !== undefined; chunk = queue.shift()) chunks.push(chunk)
  return chunks
}

describe('ChunkQueue', () => {
  it('gives the bytes back in order, whatever their pieces', () => {
    const piece = fc.record({ how: fc.constantFrom('append', 'push', 'shift'), bytes: fc.nat(20_000) })
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 60 }), pieces => {
        const queue = new ChunkQueue()
        const given: Buffer[] = []
        const taken: Buffer[] = []
        let at = 0
        for (const { how, bytes } of pieces) {
          if (how === 'shift') {
            const first = queue.peek()
            const chunk = queue.shift()
            expect(chunk).toBe(first)
            if (chunk !== undefined) taken.push(chunk)
            continue
          }
          const chunk = Buffer.alloc(bytes, at++ & 0xff)
          given.push(chunk)
          if (how === 'append') queue.append(chunk)
          else queue.push(chunk)
          expect(queue.memoryBytes).toBeGreaterThanOrEqual(queue.bytes)
        }
        taken.push(...drained(queue))
        expect(Buffer.concat(taken).equals(Buffer.concat(given))).toBe(true)
        expect([queue.bytes, queue.memoryBytes]).toEqual([0, 0])
      }),
    )
  })

  it('joins single bytes, and holds at most twice their number', () => {
    const queue = new ChunkQueue()
    const bytes = 200_000
    for (let i = 0; i < bytes; i++) queue.append(Buffer.from([i & 0xff]))
    expect(queue.bytes).toBe(bytes)
    expect(queue.memoryBytes).toBeLessThan(bytes * 1.2)
    const chunks = drained(queue)
    expect(chunks.length).toBeLessThan(25)
    expect(Buffer.concat(chunks).every((byte, i) => byte === (i & 0xff))).toBe(true)
  })

  it('copies what it appends, so that borrowed memory may be used again', () => {
    const queue = new ChunkQueue()
    const borrowed = Buffer.alloc(100_000, 'a')
    queue.append(borrowed)
    borrowed.fill('b')
    expect(Buffer.concat(drained(queue)).every(byte => byte === 0x61)).toBe(true)
  })

  it('keeps a large chunk that it owns as it is, at the price of all the memory that it is a part of', () => {
    const read = Buffer.allocUnsafeSlow(65_536)
    const queue = new ChunkQueue()
    queue.push(read.subarray(100, 5_000))
    expect(queue.memoryBytes).toBe(65_536 + CHUNK_OVERHEAD_BYTES)
    expect(queue.peek()?.buffer).toBe(read.buffer)
    // A small one would hold as much for next to nothing.
    queue.push(read.subarray(5_000, 5_010))
    expect(queue.memoryBytes).toBeLessThan(65_536 + 8_192)
    expect(drained(queue).map(({ length }) => length)).toEqual([4_900, 10])
  })

  it('starts over after clear()', () => {
    const queue = new ChunkQueue()
    queue.append(Buffer.from('gone'))
    queue.push(Buffer.alloc(10_000))
    queue.clear()
    expect([queue.bytes, queue.memoryBytes, queue.peek(), queue.shift()]).toEqual([
      0,
      0,
      undefined,
      undefined,
    ])
    queue.append(Buffer.from('here'))
    expect(String(queue.shift())).toBe('here')
  })
})
