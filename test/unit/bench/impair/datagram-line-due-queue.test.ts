import { describe, expect, it } from 'vitest'
import { DueQueue } from '../../../../src/bench/impair/datagram-line.ts'
import { fc } from '../../../support/property.ts'

describe('DueQueue', () => {
  it('releases entries in order of time, equal ones in order of arrival, and nothing early', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(20), fc.boolean())), steps => {
        const queue = new DueQueue<number>()
        const model: { item: number; dueAt: number }[] = []
        for (const [i, [time, isTake]] of steps.entries()) {
          if (!isTake) {
            queue.put(i, time)
            model.push({ item: i, dueAt: time })
          } else {
            model.sort((a, b) => a.dueAt - b.dueAt || a.item - b.item)
            const expected =
              model[0] !== undefined && model[0].dueAt <= time ? model.shift()?.item : undefined
            expect(queue.take(time)).toBe(expected)
          }
          expect(queue.size).toBe(model.length)
          expect(queue.nextDueAt).toBe(Math.min(Number.POSITIVE_INFINITY, ...model.map(({ dueAt }) => dueAt)))
        }
      }),
    )
  })
})
