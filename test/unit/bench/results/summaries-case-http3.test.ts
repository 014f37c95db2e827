import { describe, expect, it } from 'vitest'
import type { Measurement, Metric } from '../../../../src/bench/results/scenario-result.ts'
import { judgeHttp3 } from '../../../../src/bench/results/summaries.ts'

const METRICS: readonly Metric[] = [
  { key: 'p50Ms', title: 'p50 ms', better: 'less' },
  { key: 'requestsPerSecond', title: 'req/s', better: 'more' },
  { key: 'connections', title: 'connections' },
]
const SEVEN = [1, 2, 3, 4, 5, 6, 7]

/** So many rounds that differ from each other, each `factor` times that of a factor of 1. */
const rounds = (key: string, factor: number, others: Measurement = {}): Measurement[] =>
  SEVEN.map(value => ({ [key]: value * factor, requests: 10, failures: 0, ...others }))

const outcomes = (h3: readonly Measurement[], h2: readonly Measurement[]): string[] =>
  judgeHttp3(
    new Map([
      ['h3', h3],
      ['h2', h2],
    ]),
    METRICS,
    subject => (subject === 'h3' ? ['h2'] : []),
  ).map(({ subject, to, metric, outcome }) => `${subject} / ${to}, ${metric}: ${outcome}`)

describe('judgeHttp3', () => {
  it('lets the smaller figure win where less is better', () => {
    expect(outcomes(rounds('p50Ms', 0.5), rounds('p50Ms', 1))).toEqual(['h3 / h2, p50Ms: wins'])
    expect(outcomes(rounds('p50Ms', 2), rounds('p50Ms', 1))).toEqual(['h3 / h2, p50Ms: loses'])
  })

  it('lets the greater figure win where more is better', () => {
    const rates = (factor: number) => rounds('requestsPerSecond', factor)
    expect(outcomes(rates(2), rates(1))).toEqual(['h3 / h2, requestsPerSecond: wins'])
    expect(outcomes(rates(0.5), rates(1))).toEqual(['h3 / h2, requestsPerSecond: loses'])
  })

  it('calls a difference below two hundredths a tie', () => {
    expect(outcomes(rounds('p50Ms', 1.019), rounds('p50Ms', 1))).toEqual(['h3 / h2, p50Ms: even'])
    expect(outcomes(rounds('p50Ms', 1.021), rounds('p50Ms', 1))).toEqual(['h3 / h2, p50Ms: loses'])
    expect(outcomes(rounds('p50Ms', 0.979), rounds('p50Ms', 1))).toEqual(['h3 / h2, p50Ms: wins'])
  })

  it('decides nothing where the rounds do not: on both sides of 1, or too few', () => {
    const swaying = SEVEN.map((value, i) => ({ p50Ms: value * (i % 2 === 0 ? 2 : 0.5) }))
    expect(outcomes(swaying, rounds('p50Ms', 1))).toEqual(['h3 / h2, p50Ms: not-shown'])
    const few = (factor: number) => rounds('p50Ms', factor).slice(0, 5)
    expect(outcomes(few(0.5), few(1))).toEqual(['h3 / h2, p50Ms: not-shown'])
  })

  it('lets nobody win by failing more often than the other', () => {
    const failing = (factor: number) => rounds('p50Ms', factor, { failures: 1 })
    expect(outcomes(failing(0.5), rounds('p50Ms', 1))).toEqual(['h3 / h2, p50Ms: not-shown'])
    expect(outcomes(rounds('p50Ms', 0.5), failing(1))).toEqual(['h3 / h2, p50Ms: wins'])
    expect(outcomes(rounds('p50Ms', 2), failing(1))).toEqual(['h3 / h2, p50Ms: not-shown'])
  })

  it('leaves out figures that have no better direction, or that one of them does not have', () => {
    expect(outcomes(rounds('connections', 1), rounds('connections', 2))).toEqual([])
    expect(outcomes(rounds('p50Ms', 1), rounds('requestsPerSecond', 1))).toEqual([])
    expect(
      judgeHttp3(new Map([['h3', rounds('p50Ms', 1)]]), METRICS, () => ['somebody who was not measured']),
    ).toEqual([])
  })
})
