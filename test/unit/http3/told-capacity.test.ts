import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ToldCapacity } from '../../../src/http3/told-capacity.ts'

describe('what a listener is told to lease by', () => {
  it('is all that there is when a turn is over', () => {
    const capacity = new ToldCapacity()
    expect(capacity.settle(100)).toBe(true)
    expect(capacity.settle(100)).toBe(false)
    expect(capacity.told).toBe(100)
  })

  it('falls with a stream that ends, and keeps a quarter of the credit back', () => {
    const capacity = new ToldCapacity()
    capacity.settle(128)
    expect(capacity.onEnded(99, 28)).toBe(true)
    expect(capacity.told).toBe(99 + 21)
    // What was kept back covers the next ones: nothing to tell.
    expect(capacity.onEnded(99, 27)).toBe(false)
    expect(capacity.told).toBe(99 + 21)
    expect(capacity.settle(127)).toBe(true)
  })

  it('is exact where there is no credit to keep back', () => {
    const capacity = new ToldCapacity()
    capacity.settle(5)
    expect(capacity.onEnded(4, 0)).toBe(true)
    expect(capacity.told).toBe(4)
  })

  it('is never more than what can be opened, when each end is followed by as many streams as it allows', () => {
    const walk = fc.array(fc.record({ credit: fc.nat(20), ends: fc.nat(40) }), { maxLength: 40 })
    fc.assert(
      fc.property(fc.nat(200), walk, (limit, turns) => {
        const capacity = new ToldCapacity()
        let open = 0
        let left = limit
        const openAll = (): void => {
          const opened = Math.max(0, capacity.told - open)
          // The listener opens by what it was told, and all of it is there.
          expect(opened).toBeLessThanOrEqual(left)
          open += opened
          left -= opened
        }
        capacity.settle(open + left)
        openAll()
        for (const { credit, ends } of turns) {
          left += credit
          for (let i = 0; i < ends && open > 0; i++) {
            open -= 1
            capacity.onEnded(open, left)
            openAll()
          }
          capacity.settle(open + left)
          openAll()
          expect(left).toBe(0)
        }
      }),
    )
  })

  it('changes ten times, not a hundred, when a hundred streams end in a row and others follow', () => {
    const capacity = new ToldCapacity()
    let left = 156
    capacity.settle(100 + left)
    let told = 0
    for (let i = 0; i < 100; i++) {
      if (capacity.onEnded(99, left)) told += 1
      left -= 1
    }
    expect(told).toBeLessThanOrEqual(10)
  })
})
