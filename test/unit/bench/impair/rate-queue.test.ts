import { describe, expect, it } from 'vitest'
import { RateQueue } from '../../../../src/bench/impair/rate-queue.ts'

describe('RateQueue', () => {
  it('lets bytes leave at its rate, one packet after the other', () => {
    const queue = new RateQueue()
    expect(queue.put(1_000, 0, 100_000)).toBe(10)
    expect(queue.put(1_000, 0, 100_000)).toBe(20)
    expect(queue.put(500, 100, 100_000)).toBe(105)
  })

  it('takes the time that N bytes take, however they are cut', () => {
    for (const piece of [100, 1_460, 65_536]) {
      const queue = new RateQueue()
      let leavesAt = 0
      for (let left = 1_000_000; left > 0; left -= piece)
        leavesAt = queue.put(Math.min(piece, left), 7, 1_250_000)
      expect(leavesAt).toBeCloseTo(807, 6)
    }
  })

  it('knows how much waits, and from when that is too much', () => {
    const queue = new RateQueue()
    for (let i = 0; i < 4; i++) queue.put(1_000, 0, 100_000)
    expect(queue.waitingBytes(0)).toBe(4_000)
    expect([queue.hasRoom(1_000, 0, 4_000), queue.hasRoom(1_000, 0, 5_000)]).toEqual([false, true])
    expect(queue.lessThanAt(3_000, 0)).toBe(20)
    expect(queue.lessThanAt(5_000, 0)).toBe(0)
    expect(queue.waitingBytes(19.9)).toBe(3_000)
    expect(queue.waitingBytes(20)).toBe(2_000)
    expect(queue.hasRoom(1_000, 40, 1)).toBe(true)
  })

  it('holds nothing without a rate, and lets nothing overtake what waits from before', () => {
    const queue = new RateQueue()
    expect(queue.put(1_000_000, 5, undefined)).toBe(5)
    expect(queue.waitingBytes(5)).toBe(0)
    queue.put(1_000, 5, 100_000)
    expect(queue.put(1_000, 6, undefined)).toBe(15)
    expect(queue.waitingBytes(15)).toBe(0)
  })
})
