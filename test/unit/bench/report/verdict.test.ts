import { describe, expect, it } from 'vitest'
import { differenceText, targetOf, verdictText } from '../../../../src/bench/report/verdict.ts'
import type { ScenarioResult } from '../../../../src/bench/results/scenario-result.ts'
import { summarizeCase } from '../../../../src/bench/results/summaries.ts'

type Figures = Readonly<Record<string, readonly number[]>>

const tableOf = (name: string, figures: Figures) =>
  summarizeCase(
    name,
    new Map(Object.entries(figures).map(([subject, all]) => [subject, all.map(p99Ms => ({ p99Ms }))])),
    'p99Ms',
    () => [],
  )

function scenarioOf(...tables: readonly Figures[]): ScenarioResult {
  const metrics = [{ key: 'p99Ms', title: 'p99 ms', better: 'less' }] as const
  const cases = tables.map((figures, i) => tableOf(String(i), figures))
  return { scenario: 'url', description: '', metrics, cases, unavailable: [] }
}

const SIX = [10, 11, 12, 13, 14, 15]
const twice = SIX.map(ms => 2 * ms)

describe('verdictText', () => {
  it('says in plain words who was first, and by how much', () => {
    expect(verdictText({ results: [scenarioOf({ h2: twice, h3: SIX })] })).toBe(
      'h3 had the lowest time for 99 of 100 requests: 12.5 ms; next is h2 with 25 ms (0.50x, round by round).',
    )
  })

  it('does not call shown what is not', () => {
    const mixed = [20, 5, 20, 5, 20, 5]
    expect(verdictText({ results: [scenarioOf({ h2: mixed, h3: SIX })] })).toBe(
      'h2 and h3 had the lowest time for 99 of 100 requests, 12.5 and 12.5 ms: no difference shown.',
    )
    expect(verdictText({ results: [scenarioOf({ h2: [20], h3: [10] })] })).toContain(
      'in too few rounds to show a difference (1 of 6)',
    )
    expect(verdictText({ results: [scenarioOf({ h2: [20] })] })).toContain('nobody to compare it with')
  })

  it('counts over several tables who was first in how many', () => {
    const results = [scenarioOf({ h2: twice, h3: SIX }, { h2: SIX, h3: twice }, { h2: SIX, h3: SIX })]
    expect(verdictText({ results })).toBe('In 3 tables: h3 first in 1, h2 in 1; no difference shown in 1.')
  })

  it('counts failures', () => {
    const rounds = [{ p99Ms: 1, requests: 10, failures: 3 }]
    const entry = summarizeCase('x', new Map([['h2', rounds]]), 'p99Ms', () => [])
    const results = [{ ...scenarioOf(), cases: [entry] }]
    expect(verdictText({ results })).toMatch(/ 3 of 10 requests failed\.$/)
  })

  it('says why nothing was measured, once for each reason', () => {
    const unavailable = [
      { subject: 'h2', because: 'refused' },
      { subject: 'h3', because: 'no UDP' },
      { subject: 'auto', because: 'refused' },
    ]
    expect(verdictText({ results: [{ ...scenarioOf({}), unavailable }] })).toBe(
      'Nothing was measured: h2, auto: refused; h3: no UDP.',
    )
    expect(verdictText({ results: [] })).toBe('Nothing was measured.')
  })
})

describe('targetOf', () => {
  it('is the URL of a run at one, else the names of scenarios', () => {
    const url = 'https://origin.example/'
    expect(targetOf({ results: [scenarioOf({})], settings: { url } })).toBe(url)
    const results = ['cold', 'mixed'].map(scenario => ({ ...scenarioOf({}), scenario }))
    expect(targetOf({ results, settings: { url } })).toBe('cold, mixed')
  })
})

describe('differenceText', () => {
  it('has one word for each thing that rounds can show', () => {
    const between = (low: number, high: number) => ({
      pairs: 6,
      interval: { low, high, coverage: 0.97 },
    })
    expect(differenceText(between(0.5, 0.9))).toBe('less')
    expect(differenceText(between(1.1, 2))).toBe('more')
    expect(differenceText(between(0.9, 1.1))).toBe('no difference shown')
    expect(differenceText({ pairs: 5 })).toBe('too few rounds')
    expect(differenceText({ pairs: 6 })).toBe('-')
  })
})
