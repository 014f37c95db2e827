import { describe, expect, it } from 'vitest'
import { Slot } from '../../../src/pool/slot.ts'
import { IdleStack, LoadHeap } from '../../../src/pool/slot-orders.ts'
import { fc } from '../../support/property.ts'

function leased(id: number, usedStreams: number): Slot<undefined> {
  const slot = new Slot<undefined>(id, 0)
  slot.transition({ kind: 'idle', since: 0 })
  slot.transition({ kind: 'leased', usedStreams })
  return slot
}

describe('the idle stack', () => {
  it.each([
    [1, [2, 3]],
    [2, [1, 3]],
    [3, [1, 2]],
  ])('keeps its order when #%i leaves', (leaver, rest) => {
    const stack = new IdleStack<undefined>()
    const slots = [1, 2, 3].map(id => new Slot<undefined>(id, 0))
    for (const slot of slots) stack.push(slot)
    stack.remove(slots[leaver - 1]!)
    expect([stack.oldest?.id, stack.newest?.id, stack.size]).toEqual([...rest, 2])
    expect(stack.oldest?.newer).toBe(stack.newest)
    expect(stack.newest?.older).toBe(stack.oldest)
  })
})

describe('the load heap', () => {
  it('has the least loaded slot on top, the older one among equals, whatever happened before', () => {
    const step = fc.record({ slot: fc.nat(9), load: fc.integer({ min: 1, max: 5 }), leave: fc.boolean() })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), steps => {
        const heap = new LoadHeap<undefined>()
        const slots = Array.from({ length: 10 }, (_, id) => leased(id, 1))
        for (const { slot: index, load, leave } of steps) {
          const slot = slots[index]!
          const isMember = slot.heapIndex >= 0
          if (leave && isMember) heap.remove(slot)
          slot.transition({ kind: 'leased', usedStreams: load })
          if (slot.heapIndex >= 0) heap.update(slot)
          else if (!leave) heap.push(slot)
          const members = slots.filter(slot => slot.heapIndex >= 0)
          members.sort((a, b) => a.usedStreams - b.usedStreams || a.id - b.id)
          expect(heap.top).toBe(members[0])
          expect(heap.size).toBe(members.length)
        }
      }),
    )
  })
})
