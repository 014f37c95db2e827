import { describe, expect, it } from 'vitest'
import { FairQueue } from '../../../src/pool/fair-queue.ts'
import { fc } from '../../support/property.ts'

/** Waiters are called by their key and a number: `a1`. */
function queueOf(...waiters: string[]): FairQueue<string> {
  const queue = new FairQueue<string>(waiter => waiter.charAt(0))
  for (const [at, waiter] of waiters.entries()) queue.push(waiter, at, at + 100)
  return queue
}

function drain(queue: FairQueue<string>, take = () => queue.shift()): string[] {
  const taken: string[] = []
  for (let waiter = take(); waiter !== undefined; waiter = take()) {
    taken.push(waiter)
    queue.assertConsistent()
  }
  return taken
}

describe('the fair queue', () => {
  it('serves keys in turns, and each in its order', () => {
    expect(drain(queueOf('a1', 'a2', 'a3', 'b1', 'c1', 'b2'))).toEqual(['a1', 'b1', 'c1', 'a2', 'b2', 'a3'])
  })

  it('makes a key with one request wait for one of each other key, however many those have', () => {
    const queue = queueOf(...Array.from({ length: 1000 }, (_, index) => `a${index}`))
    queue.push('b', 1000, 2000)
    expect([queue.shift(), queue.shift()]).toEqual(['a0', 'b'])
  })

  it('puts a key that comes back at the end of the round', () => {
    const queue = queueOf('a1', 'b1', 'c1')
    expect(queue.shift()).toBe('a1')
    queue.push('a2', 9, 109)
    expect(drain(queue)).toEqual(['b1', 'c1', 'a2'])
  })

  it('takes the newest request of the key whose turn it is, where a pool is overloaded', () => {
    const queue = queueOf('a1', 'a2', 'b1', 'b2')
    expect(drain(queue, () => queue.pop())).toEqual(['a2', 'b2', 'a1', 'b1'])
  })

  it('drops the oldest and the expired, whichever key has its turn', () => {
    const queue = queueOf('a1', 'b1', 'b2')
    expect([queue.shift(), queue.shiftOldest()]).toEqual(['a1', 'b1'])
    expect([queue.shiftExpired(101), queue.shiftExpired(102), queue.size]).toEqual([undefined, 'b2', 0])
    queue.assertConsistent()
  })

  it('serves first a waiter that was served before', () => {
    const queue = queueOf('a1', 'b1')
    queue.pushFront('c1', 5, 105)
    expect(drain(queue)).toEqual(['c1', 'a1', 'b1'])
  })

  it('makes the longest queue give room to a newcomer of a shorter one', () => {
    const queue = queueOf('a1', 'a2', 'a3', 'b1')
    expect([queue.popFor('b2'), queue.popFor('c1')]).toEqual(['a3', 'a2'])
    queue.assertConsistent()
    expect(queue.popFor('a9')).toBeUndefined()
  })

  it('stays consistent whatever comes and goes', () => {
    const key = fc.constantFrom('a', 'b', 'c', 'd')
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.record({ do: fc.constant('push'), key }) },
      { weight: 3, arbitrary: fc.record({ do: fc.constant('shift'), key }) },
      {
        weight: 2,
        arbitrary: fc.record({
          do: fc.constantFrom('pop', 'remove', 'front', 'for', 'oldest', 'expire'),
          key,
        }),
      },
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), steps => {
        const queue = new FairQueue<string>(waiter => waiter.charAt(0))
        const waiting = new Map<string, number>()
        for (const [now, { do: action, key }] of steps.entries()) {
          const name = `${key}${now}`
          let left: string | undefined
          if (action === 'push' || action === 'front') {
            if (action === 'push') queue.push(name, now, now + 50)
            else queue.pushFront(name, now, now + 50)
            waiting.set(name, now)
          } else if (action === 'shift') left = queue.shift()
          else if (action === 'pop') left = queue.pop()
          else if (action === 'oldest') left = queue.shiftOldest()
          else if (action === 'expire') left = queue.shiftExpired(now)
          else if (action === 'for') left = queue.popFor(name)
          else {
            const [some] = waiting.keys()
            if (some !== undefined && queue.remove(some)) left = some
          }
          if (left !== undefined) expect(waiting.delete(left)).toBe(true)
          expect(queue.size).toBe(waiting.size)
          queue.assertConsistent()
        }
      }),
    )
  })
})
