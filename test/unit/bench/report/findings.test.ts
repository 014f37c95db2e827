import { describe, expect, it } from 'vitest'
import { chiefMetric, completeRatio, findingsOf } from '../../../../src/bench/report/findings.ts'
import type { ScenarioResult } from '../../../../src/bench/results/scenario-result.ts'
import { summarizeCase } from '../../../../src/bench/results/summaries.ts'

const LATENCY = { key: 'ms', title: 'ms', better: 'less' } as const
const RATE = { key: 'rate', title: 'req/s', better: 'more' } as const

function scenario(
  figures: Readonly<Record<string, readonly number[]>>,
  metrics: ScenarioResult['metrics'] = [LATENCY],
): ScenarioResult {
  const key = metrics[0]?.key ?? ''
  const rounds = new Map(
    Object.entries(figures).map(([name, all]) => [name, all.map(value => ({ [key]: value }))]),
  )
  const entry = summarizeCase('case', rounds, key, () => ['b'])
  return { scenario: 's', description: '', metrics, cases: [entry], unavailable: [] }
}

const findingOf = (result: ScenarioResult) => findingsOf(result, result.cases[0]!)[0] // scenario() gives it one case

describe('findingsOf', () => {
  it('shows a difference whose interval leaves 1 out', () => {
    const finding = findingOf(
      scenario({ a: [10, 11, 10, 12, 11, 10], b: [20, 21, 22, 20, 21, 22], c: [50, 1, 50, 50, 50, 50] }),
    )
    expect(finding).toMatchObject({
      first: { subject: 'a', median: 10.5 },
      next: { subject: 'b', evidence: { kind: 'shown' } },
      last: { subject: 'c', evidence: { kind: 'crosses' } },
    })
  })

  it('shows none when one of six rounds points the other way', () => {
    const finding = findingOf(scenario({ a: [10, 10, 10, 10, 10, 30], b: [20, 20, 20, 20, 20, 20] }))
    expect(finding?.next?.evidence).toEqual({ kind: 'crosses', pairs: 6 })
  })

  it('does not call five rounds enough, even if all of them agree', () => {
    const finding = findingOf(scenario({ a: [10, 10, 10, 10, 10], b: [20, 20, 20, 20, 20] }))
    expect(finding?.next?.evidence).toEqual({ kind: 'tooFew', pairs: 5 })
  })

  it('puts the highest first where more is better', () => {
    expect(findingOf(scenario({ a: [1, 1], b: [2, 2] }, [RATE]))?.first.subject).toBe('b')
  })

  it('names no runner-up for a subject that is alone, and no pair where rounds lack a figure', () => {
    expect(findingOf(scenario({ a: [1] }))?.next).toBeUndefined()
    expect(findingOf(scenario({ a: [1, Number.NaN], b: [Number.NaN, 2] }))?.next?.evidence).toEqual({
      kind: 'unpaired',
    })
    expect(findingOf(scenario({ a: [Number.NaN] }))).toBeUndefined()
  })

  it('falls back to what the ratios are about when no metric has a direction', () => {
    const metrics = [{ key: 'ms', title: 'ms' }]
    const result = scenario({ a: [3, 3], b: [2, 2] }, metrics)
    expect(findingOf(result)).toMatchObject({ metric: metrics[0], first: { subject: 'b' } })
    expect(chiefMetric([RATE, ...metrics], result.cases[0]!)).toBe(metrics[0])
  })
})

describe('completeRatio', () => {
  it('computes from the rounds the interval that a file does not have', () => {
    const entry = scenario({ a: [1, 1, 1, 1, 1, 1], b: [2, 2, 2, 2, 2, 2] }).cases[0]!
    const stored = { subject: 'a', to: 'b', metric: 'ms', median: 0.5, min: 0.5, max: 0.5, pairs: 6 }
    expect(completeRatio(stored, entry).interval).toMatchObject({ low: 0.5, high: 0.5 })
    expect(completeRatio({ ...stored, to: 'gone' }, entry)).toEqual({ ...stored, to: 'gone' })
  })
})
