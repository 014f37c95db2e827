import { describe, expect, it } from 'vitest'
import { BufferBudget } from '../../../../src/service/forwarding/buffer-options.ts'
import { ResponseBuffer } from '../../../../src/service/forwarding/response-buffer.ts'
import { fc } from '../../../support/property.ts'

const MB = 1_048_576
const BLOCK = 65_536

function admit(budget: BufferBudget, maxBytes: number, bytesLeft: number | undefined): ResponseBuffer {
  const buffer = ResponseBuffer.admit(budget, maxBytes, bytesLeft)
  if (buffer === undefined) throw new Error('it was not admitted')
  return buffer
}

function drain(buffer: ResponseBuffer): Buffer {
  const pieces: Buffer[] = []
  for (let piece = buffer.take(); piece !== undefined; piece = buffer.take()) pieces.push(Buffer.from(piece))
  return Buffer.concat(pieces)
}

describe('a buffered response', () => {
  it('is delivered unchanged, however it was cut, and holds no memory at its end', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 0, max: 100_000 }), fc.boolean()), { maxLength: 30 }),
        fc.boolean(),
        (steps, isLengthKnown) => {
          const budget = new BufferBudget(16 * MB)
          const total = steps.reduce((sum, [bytes]) => sum + bytes, 0)
          const buffer = admit(budget, 16 * MB, isLengthKnown ? total : undefined)
          const sent: Buffer[] = []
          const taken: Buffer[] = []
          let at = 0
          for (const [bytes, takes] of steps) {
            const chunk = Buffer.alloc(bytes, at++)
            sent.push(Buffer.from(chunk))
            buffer.append(chunk)
            chunk.fill(255) // it was borrowed
            const piece = takes ? buffer.take() : undefined
            if (piece !== undefined) taken.push(piece)
          }
          buffer.complete()
          taken.push(drain(buffer))
          expect(Buffer.concat(taken).equals(Buffer.concat(sent))).toBe(true)
          expect([buffer.bytes, budget.usedBytes]).toEqual([0, 0])
        },
      ),
    )
  })

  it('of known length has room to its end, or is not admitted', () => {
    const budget = new BufferBudget(MB)
    expect(ResponseBuffer.admit(budget, MB, MB + 1)).toBeUndefined()
    const first = admit(budget, MB, MB - 1000)
    expect(budget.usedBytes, 'before a byte of it came').toBe(MB - 1000)
    expect(ResponseBuffer.admit(budget, MB, 1001)).toBeUndefined()
    const second = admit(budget, MB, 1000)
    expect(budget.freeBytes).toBe(0)
    for (let i = 0; i < 16; i++) {
      expect(first.isFull).toBe(false)
      first.append(Buffer.alloc(i === 15 ? BLOCK - 1000 : BLOCK))
    }
    expect(budget.usedBytes).toBe(MB)
    second.clear()
    expect(budget.usedBytes).toBe(MB - 1000)
  })

  it('of unknown length is full at its bound, and has room again when half of it was taken', () => {
    const budget = new BufferBudget(16 * MB)
    const buffer = admit(budget, 4 * BLOCK, undefined)
    let appended = 0
    for (; !buffer.isFull; appended++) buffer.append(Buffer.alloc(BLOCK))
    expect(appended).toBe(4)
    buffer.take()
    expect(buffer.hasRoom).toBe(false)
    buffer.take()
    expect(buffer.hasRoom).toBe(true)
  })

  it('of unknown length is full when there is no memory left, and accepts bytes that were read already', () => {
    const budget = new BufferBudget(2 * BLOCK)
    const buffer = admit(budget, MB, undefined)
    buffer.append(Buffer.alloc(BLOCK + 1))
    expect(buffer.isFull).toBe(true)
    buffer.append(Buffer.alloc(BLOCK))
    expect([buffer.bytes, budget.freeBytes]).toEqual([2 * BLOCK + 1, -BLOCK])
    expect(ResponseBuffer.admit(budget, MB, undefined)).toBeUndefined()
    buffer.clear()
    expect(budget.usedBytes).toBe(0)
  })

  it.each([
    [0, MB],
    [MB, 0],
  ])('does not exist with a bound of %i of one and %i of all', (maxBytes, limitBytes) => {
    expect(ResponseBuffer.admit(new BufferBudget(limitBytes), maxBytes, 1)).toBeUndefined()
    expect(ResponseBuffer.admit(new BufferBudget(limitBytes), maxBytes, undefined)).toBeUndefined()
  })

  it('that trickles costs the bytes that it holds, not those of its chunks', () => {
    const budget = new BufferBudget(MB)
    const buffer = admit(budget, MB, undefined)
    for (let i = 0; i < 10_000; i++) buffer.append(Buffer.of(i))
    expect(budget.usedBytes).toBe(16_384)
    expect(drain(buffer)).toEqual(Buffer.from(Array.from({ length: 10_000 }, (_, i) => i % 256)))
  })
})
