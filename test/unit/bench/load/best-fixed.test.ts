import { describe, expect, it } from 'vitest'
import { contenders, judgeAgainstBest, rankSubjects } from '../../../../bench/load/best-fixed.ts'
import type { Measurement } from '../../../../src/bench/results/scenario-result.ts'

const round = (meanMs: number, failures = 0): Measurement => ({ meanMs, failures })
const ROUNDS = new Map([
  ['http/1.1', [round(300), round(340)]],
  ['h2', [round(2400), round(2000)]],
  ['h3', [round(310), round(310)]],
  ['auto', [round(315), round(335)]],
])

describe('rankSubjects', () => {
  it('puts the least mean first, and leaves out subjects without one', () => {
    const ranked = rankSubjects(new Map([...ROUNDS, ['dead', [round(Number.NaN)]], ['none', []]]), 'meanMs')
    expect(ranked.map(({ subject, estimate }) => [subject, estimate.value])).toEqual([
      ['h3', 310],
      ['http/1.1', 320],
      ['auto', 325],
      ['h2', 2200],
    ])
  })
})

describe('contenders', () => {
  it('returns those within the factor of the best, the best itself included', () => {
    const ranked = rankSubjects(ROUNDS, 'meanMs')
    expect(contenders(ranked, 1.04)).toEqual(['h3', 'http/1.1'])
    expect(contenders(ranked, 1)).toEqual(['h3'])
    expect(contenders([], 1.5)).toEqual([])
  })
})

describe('judgeAgainstBest', () => {
  it('compares with the best of the others', () => {
    const verdict = judgeAgainstBest(ROUNDS, 'auto', 'meanMs', 1.05)
    expect(verdict?.aim).toMatchObject({ subject: 'auto', to: 'h3', atMost: 1.05, met: true })
    expect(verdict?.ratio.value).toBeCloseTo(325 / 310, 9)
    expect(judgeAgainstBest(ROUNDS, 'auto', 'meanMs', 1.04)?.aim.met).toBe(false)
    expect(judgeAgainstBest(ROUNDS, 'h2', 'meanMs', 1.05)?.aim).toMatchObject({ to: 'h3', met: false })
  })

  it('does not call an aim met whose subject failed or was not measured', () => {
    const failing = new Map([...ROUNDS, ['auto', [round(100), round(100, 1)]]])
    expect(judgeAgainstBest(failing, 'auto', 'meanMs', 1.05)?.aim.met).toBe(false)
    const silent = new Map([...ROUNDS, ['auto', [round(Number.NaN)]]])
    expect(judgeAgainstBest(silent, 'auto', 'meanMs', 1.05)?.aim).toMatchObject({
      measured: undefined,
      met: false,
    })
  })

  it('reports nothing when there is nobody to compare with', () => {
    expect(judgeAgainstBest(new Map([['auto', [round(1)]]]), 'auto', 'meanMs', 1.05)).toBeUndefined()
    expect(judgeAgainstBest(new Map([['h2', [round(1)]]]), 'auto', 'meanMs', 1.05)).toBeUndefined()
  })
})
