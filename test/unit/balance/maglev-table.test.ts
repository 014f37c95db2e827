import { describe, expect, it } from 'vitest'
import { MaglevTable, maglevSize } from '../../../src/balance/maglev-table.ts'
import { fc } from '../../support/property.ts'

const KEYS = Array.from({ length: 3_000 }, (_, index) => `/product/${index}`)

const members = (weights: readonly number[]) =>
  weights.map((weight, index) => ({ name: `192.0.2.${index}:443`, index, weight }))

describe('the Maglev table', () => {
  it('gives a key the same member, whatever the order of the list', () => {
    const three = members([1, 2, 3])
    const one = new MaglevTable(three, 1_021)
    const other = new MaglevTable(three.toReversed(), 1_021)
    for (const key of KEYS) expect(other.lookup(key)).toBe(one.lookup(key))
  })

  it('names every member once in the order of a key, its own first', () => {
    const table = new MaglevTable(members([1, 1, 1, 1]), 1_021)
    for (const key of KEYS.slice(0, 100)) {
      const order = [...table.candidates(key)]
      expect(order[0]).toBe(table.lookup(key))
      expect(order.toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3])
    }
  })

  it('moves few keys besides those of a member that leaves, and gives weights their shares', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 3, maxLength: 10 }),
        fc.nat(),
        (weights, pick) => {
          const all = members(weights)
          const size = maglevSize(weights)
          const gone = pick % all.length
          const before = new MaglevTable(all, size)
          const after = new MaglevTable(
            all.filter(({ index }) => index !== gone),
            size,
          )
          const total = weights.reduce((sum, weight) => sum + weight, 0)
          let moved = 0
          const counts = weights.map(() => 0)
          for (const key of KEYS) {
            const home = before.lookup(key)
            counts[home] = (counts[home] ?? 0) + 1
            if (home !== gone && after.lookup(key) !== home) moved += 1
          }
          // The paper measures a few percent with tables of this size.
          expect(moved / KEYS.length).toBeLessThan(0.15)
          weights.forEach((weight, index) => {
            const expected = (weight / total) * KEYS.length
            expect(Math.abs((counts[index] ?? 0) - expected)).toBeLessThan(
              5 * Math.sqrt(expected) + 0.05 * expected,
            )
          })
        },
      ),
      { numRuns: 40 },
    )
  })
})
