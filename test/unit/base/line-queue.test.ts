import { describe, expect, it } from 'vitest'
import { LineQueue } from '../../../src/base/line-queue.ts'

const text = (queue: LineQueue, maxBytes = 1_000): string | undefined =>
  queue.take(maxBytes)?.bytes.toString()

describe('a queue of lines', () => {
  it('hands lines out in order, as many whole ones as fit', () => {
    const queue = new LineQueue({ maxBytes: 100, maxLines: 100 })
    for (const line of ['one\n', 'two\n', 'three\n']) expect(queue.push(line)).toBe(true)
    expect(queue.take(8)).toEqual({ bytes: Buffer.from('one\ntwo\n'), lines: 2 })
    expect([queue.bytes, queue.length]).toEqual([6, 1])
    expect(text(queue, 1), 'a single line may be longer').toBe('three\n')
    expect([queue.bytes, queue.length, queue.take(1)]).toEqual([0, 0, undefined])
  })

  it('takes up to its bytes and no byte more, and counts what it drops', () => {
    const queue = new LineQueue({ maxBytes: 8, maxLines: 100 })
    expect([queue.push('ää'), queue.push('1234'), queue.push('5')]).toEqual([true, true, false])
    expect([queue.bytes, queue.dropped]).toEqual([8, 1])
    expect(text(queue)).toBe('ää1234')
    expect(queue.push('5')).toBe(true)
    queue.addDropped(3)
    expect(queue.dropped).toBe(4)
  })

  it('takes up to its lines and not one more', () => {
    const queue = new LineQueue({ maxBytes: 100, maxLines: 2 })
    expect([queue.push('a'), queue.push('b'), queue.push('c')]).toEqual([true, true, false])
    queue.take(1)
    expect([queue.push('d'), queue.push('e'), queue.length]).toEqual([true, false, 2])
  })

  it.each([
    { maxBytes: 0, maxLines: 9 },
    { maxBytes: 9, maxLines: 0 },
  ])('of limits %j keeps nothing', limits => {
    const queue = new LineQueue(limits)
    expect([queue.push('a'), queue.length, queue.dropped]).toEqual([false, 0, 1])
  })

  it('keeps its order, and no taken lines, over many rounds', () => {
    const queue = new LineQueue({ maxBytes: 1e6, maxLines: 1e6 })
    const taken: string[] = []
    for (let i = 0; i < 5_000; i++) {
      queue.push(`${2 * i}\n`)
      queue.push(`${2 * i + 1}\n`)
      taken.push(text(queue, 1) ?? '')
    }
    expect(queue.length).toBe(5_000)
    for (let line = text(queue, 50); line !== undefined; line = text(queue, 50)) taken.push(line)
    expect(taken.join('').trimEnd().split('\n').map(Number)).toEqual(
      Array.from({ length: 10_000 }, (_, i) => i),
    )
  })
})
