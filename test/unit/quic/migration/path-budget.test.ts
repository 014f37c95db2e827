import { describe, expect, it } from 'vitest'
import { PathBudget } from '../../../../src/quic/migration/path-budget.ts'

const A = { host: '127.0.0.1', port: 1 }
const B = { host: '127.0.0.1', port: 2 }

describe('PathBudget', () => {
  it('allows as many paths besides the first as its limit', () => {
    const budget = new PathBudget(A, 1)
    expect(budget.choose({})).toEqual({})
    budget.onOpened(B)
    expect([budget.choose({}), budget.choose({ address: '127.0.0.3' })]).toEqual([undefined, undefined])
  })

  it('allows a path to be opened again that existed before', () => {
    const budget = new PathBudget(A, 1)
    budget.onOpened(B)
    budget.onOpened(B)
    expect(budget.choose({ address: B.host, port: B.port })).toEqual({ address: B.host, port: B.port })
    budget.putAway(B)
    expect(budget.choose({})).toEqual({ address: B.host, port: B.port })
    budget.forgetSpare()
    expect(budget.choose({})).toBeUndefined()
  })

  it('allows spares ever more rarely while suspicions go on, and begins again after quiet', () => {
    const budget = new PathBudget(A, 7)
    const taken: number[] = []
    for (let now = 0; now <= 200_000; now += 500) if (budget.takeSpare(now)) taken.push(now)
    expect(taken).toEqual([0, 1000, 3000, 7000, 15_000, 31_000, 63_000, 127_000, 191_000])
    expect(budget.takeSpare(191_000 + 128_000)).toBe(true)
    expect(budget.takeSpare(191_000 + 129_000)).toBe(true)
  })
})
