import { describe, expect, it } from 'vitest'
import { Fifo } from '../../../src/base/fifo.ts'
import { fc } from '../../support/property.ts'

describe('Fifo', () => {
  it('behaves as an array does, whatever the order of calls', () => {
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.constant('push') },
      { weight: 5, arbitrary: fc.constant('shift') },
      { weight: 1, arbitrary: fc.constant('clear') },
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), steps => {
        const fifo = new Fifo<number>()
        const model: number[] = []
        steps.forEach((what, i) => {
          if (what === 'push') {
            fifo.push(i)
            model.push(i)
          } else if (what === 'shift') expect(fifo.shift()).toBe(model.shift())
          else {
            fifo.clear()
            model.length = 0
          }
          expect(fifo.length).toBe(model.length)
          expect(fifo.peek()).toBe(model[0])
        })
      }),
    )
  })

  it('keeps its order over many turns of the ring', () => {
    const fifo = new Fifo<number>()
    let taken = 0
    for (let i = 0; i < 100_000; i++) {
      fifo.push(i)
      if (i % 3 !== 0) expect(fifo.shift()).toBe(taken++)
    }
    while (fifo.length > 0) expect(fifo.shift()).toBe(taken++)
    expect(taken).toBe(100_000)
  })
})
