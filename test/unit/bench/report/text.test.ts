import { describe, expect, it } from 'vitest'
import { formatFile, formatScenario } from '../../../../src/bench/report/text.ts'
import type { CaseResult, ScenarioResult } from '../../../../src/bench/results/scenario-result.ts'
import { judgeHttp3, summarizeCase } from '../../../../src/bench/results/summaries.ts'
import { resultFileOf } from '../result-file-of.ts'

const scenarioOf = (...cases: CaseResult[]): ScenarioResult => ({
  scenario: 'load',
  description: 'a load',
  metrics: [
    { key: 'p50Ms', title: 'p50 ms' },
    { key: 'failures', title: 'failed' },
  ],
  cases,
  unavailable: [],
})

const tableOf = (ours: readonly number[], theirs: readonly number[]): CaseResult =>
  summarizeCase(
    'warm',
    new Map([
      ['ours', ours.map(p50Ms => ({ p50Ms, failures: 0 }))],
      ['theirs', theirs.map(p50Ms => ({ p50Ms }))],
    ]),
    'p50Ms',
    () => ['theirs'],
  )

describe('formatScenario', () => {
  it('ends with where HTTP/3 wins and where it loses', () => {
    const measurement = (p50Ms: number) => Array.from({ length: 7 }, (_, i) => ({ p50Ms: p50Ms * (i + 1) }))
    const rounds = new Map([
      ['h3', measurement(2)],
      ['h2', measurement(4)],
      ['x6', measurement(1)],
    ])
    const table = summarizeCase('lossy', rounds, 'p50Ms', () => [])
    const metrics = [{ key: 'p50Ms', title: 'p50 ms', better: 'less' }] as const
    const http3 = judgeHttp3(rounds, metrics, subject => (subject === 'h3' ? ['h2', 'x6'] : []))
    expect(formatScenario(scenarioOf({ ...table, http3 }))).toContain(
      `Where HTTP/3 wins and where it loses, in 2 comparisons: 1 won, 1 lost, 0 even, no difference shown in 0
HTTP/3 / the same client over TCP  figure  HTTP/3  ratio          95 %
---------------------------------  ------  ------  -----  ------------
[lossy] h3 / h2                    p50 ms    WINS  0.50x  0.50x..0.50x
[lossy] h3 / x6                    p50 ms   LOSES  2.00x  2.00x..2.00x`,
    )
  })

  it('prints beneath each median its interval, where rounds are enough for one', () => {
    const result = scenarioOf(tableOf([1, 2, 3, 4, 5, 6, 7], [2, 4, 6, 8, 10, 12, 14]))
    expect(formatScenario(result)).toBe(`load: a load

[warm] medians
subject             p50 ms  failed
------------------  ------  ------
ours                     4       0
  95 % of 7 rounds    1..7
theirs                   8       -
  95 % of 7 rounds   2..14

[warm] p50 ms, round by round
subject / to   median          95 %    min    max  pairs  difference
-------------  ------  ------------  -----  -----  -----  ----------
ours / theirs   0.50x  0.50x..0.50x  0.50x  0.50x      7        less`)
  })

  it('prints the least and the most of fewer rounds, and calls nothing shown', () => {
    const result = scenarioOf(tableOf([1, 2, 3, 4, 5], [1, 1, 1, 1, 1]))
    expect(formatScenario(result)).toBe(`load: a load

[warm] medians
subject                 p50 ms  failed
----------------------  ------  ------
ours                         3       0
  min..max of 5 rounds    1..5
theirs                       1       -

[warm] p50 ms, round by round
subject / to   median  95 %    min    max  pairs      difference
-------------  ------  ----  -----  -----  -----  --------------
ours / theirs   3.00x     -  1.00x  5.00x      5  too few rounds`)
  })

  it('computes from the rounds the interval that a ratio was stored without', () => {
    const table = tableOf([1, 2, 3, 4, 5, 6], [2, 1, 6, 2, 10, 3])
    const ratios = table.ratios.map(({ subject, to, metric, median, min, max, pairs }) => ({
      subject,
      to,
      metric,
      median,
      min,
      max,
      pairs,
    }))
    expect(formatScenario(scenarioOf({ ...table, ratios }))).toBe(formatScenario(scenarioOf(table)))
    expect(formatScenario(scenarioOf(table))).toContain('no difference shown')
    const withoutRounds = formatScenario(scenarioOf({ ...table, subjects: [], ratios }))
    expect(withoutRounds).toMatch(/ours \/ theirs +1\.25x +- .* -$/m)
  })

  it('has a table of ratios for every figure that was compared', () => {
    const rounds = [{ p50Ms: 1, failures: 1 }]
    const both = new Map([
      ['ours', rounds],
      ['theirs', rounds],
    ])
    const text = formatScenario(scenarioOf(summarizeCase('x', both, ['p50Ms', 'failures'], () => ['ours'])))
    expect(text).toContain('[x] p50 ms, round by round')
    expect(text).toContain('[x] failed, round by round')
  })

  it('reports what is not measured, notes, aims, and in the end what is not shown', () => {
    const aims = [{ subject: 'ours', metric: 'p50Ms', atMost: 2, measured: 1, met: true }]
    const text = formatScenario({
      ...scenarioOf({ ...tableOf([1], [1]), ratios: [], notes: ['ours: slow'], aims }),
      unavailable: [{ subject: 'h3', because: 'no UDP' }],
      limits: ['loopback has no loss', 'one machine'],
    })
    expect(text).toContain('load: a load\n  not measured: h3: no UDP\n')
    expect(text).toContain(`[warm] ours: slow

[warm] aim: ours at most 2 p50 ms: 1: met

What the figures do not show:
  loopback has no loss
  one machine`)
  })
})

describe('formatFile', () => {
  it('begins with when, how and on what it was measured, and the outcome', () => {
    const lines = formatFile(resultFileOf(tableOf([1], [1]))).split('\n')
    expect(lines.slice(0, 7)).toEqual([
      'measured 2026-11-22T17:34:21.154Z: load --rounds 7',
      '2 cores, Some CPU, Linux 6.18.44, load 0.34',
      'node 20.20.2, nginx 1.22.1; revision bcc4bf2',
      '',
      'ours and theirs had the lowest median time of a request, 1 and 1 ms: no difference shown.',
      '',
      'load: a load',
    ])
  })

  it('uses colors and lines of its width at a terminal, and neither elsewhere', () => {
    const paint = (style: string, text: string): string => `<${style}>${text}</>`
    const aims = [{ subject: 'ours', metric: 'p50Ms', atMost: 0, measured: 1, met: false }]
    const file = resultFileOf({ ...tableOf([1], [1]), aims })
    const text = formatFile(file, { columns: 60, paint })
    expect(text).toContain(
      '<bold>ours and theirs had the lowest median time of a request, 1\nand 1 ms: no difference shown. Aims:',
    )
    expect(text).toContain('1: <red>MISSED</>')
    expect(formatFile(file)).not.toContain('<')
  })

  it('says why nothing was measured, and prints no table then', () => {
    const nothing = summarizeCase('GET /', new Map(), 'p50Ms', () => [])
    const failed = summarizeCase(
      'GET /',
      new Map([['h2', [{ requests: 5, failures: 5 }]]]),
      'p50Ms',
      () => [],
    )
    const file = resultFileOf(nothing)
    const because = 'ECONNREFUSED'
    const [scenario] = file.results
    if (scenario === undefined) throw new Error('there is one')
    const unavailable = ['h2', 'h3'].map(subject => ({ subject, because }))
    const refused = formatFile({ ...file, results: [{ ...scenario, unavailable, limits: ['loopback'] }] })
    expect(refused).toContain('Nothing was measured: h2, h3: ECONNREFUSED.')
    expect(refused).not.toMatch(/medians|loopback/)
    const text = formatFile(resultFileOf({ ...failed, notes: ['h2: 5 of 5 failed: status-500'] }))
    expect(text).toContain('Nothing was measured: h2: 5 of 5 failed: status-500.')
    expect(text).not.toContain('medians')
  })
})
