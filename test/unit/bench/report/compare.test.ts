import { describe, expect, it } from 'vitest'
import { compareResults } from '../../../../src/bench/report/compare.ts'
import { formatComparison } from '../../../../src/bench/report/compare-text.ts'
import type { ResultFile } from '../../../../src/bench/results/result-file.ts'
import type { Measurement } from '../../../../src/bench/results/scenario-result.ts'
import { summarizeCase } from '../../../../src/bench/results/summaries.ts'
import { resultFileOf } from '../result-file-of.ts'

type Rounds = Readonly<Record<string, readonly Measurement[]>>

const fileOf = (subjects: Rounds, changes: Partial<ResultFile> = {}, name = 'warm'): ResultFile =>
  resultFileOf(
    summarizeCase(name, new Map(Object.entries(subjects)), 'p50Ms', subject =>
      subject === 'ours' ? ['theirs'] : [],
    ),
    changes,
  )
const rounds = (p50Ms: number, more: Measurement = {}): Measurement[] =>
  [0, 1, 2, 3, 4, 5, 6].map(i => ({ p50Ms: p50Ms + i / 10, ...more }))

describe('compareResults', () => {
  it('has both medians of every figure that both files have, their ratio and a verdict', () => {
    const a = fileOf({ ours: rounds(10, { requestsPerSecond: 100, connections: 0 }) })
    const b = fileOf({ ours: rounds(5, { requestsPerSecond: 50, connections: 2 }) })
    const { cases, onlyIn, warnings } = compareResults(a, b)
    expect(cases).toMatchObject([
      {
        scenario: 'load',
        name: 'warm',
        figures: [
          { subject: 'ours', metric: 'p50Ms', a: { median: 10.3 }, b: { median: 5.3 }, verdict: 'better' },
          { metric: 'requestsPerSecond', title: 'req/s', ratio: 0.5, verdict: 'worse' },
          { metric: 'connections', ratio: undefined, verdict: 'different' },
        ],
      },
    ])
    expect(cases[0]?.figures[0]?.ratio).toBeCloseTo(5.3 / 10.3, 9)
    expect({ onlyIn, warnings }).toEqual({ onlyIn: { a: [], b: [] }, warnings: [] })
  })

  it('compares pairs as well: a machine that is slow for both subjects alike changes nothing in them', () => {
    const a = fileOf({ ours: rounds(10), theirs: rounds(10) })
    const b = fileOf({ ours: rounds(20), theirs: rounds(20) })
    const figures = compareResults(a, b).cases[0]?.figures
    expect(figures?.map(({ subject, to, verdict }) => [subject, to, verdict])).toEqual([
      ['ours', undefined, 'worse'],
      ['theirs', undefined, 'worse'],
      ['ours', 'theirs', 'no difference shown'],
    ])
    expect(figures?.[2]).toMatchObject({ a: { median: 1 }, b: { median: 1 }, ratio: 1 })
  })

  it('lists what only one file has, by the outermost part', () => {
    const a = fileOf({ ours: rounds(1, { connections: 1 }), undici: rounds(1) })
    const b = fileOf({ ours: rounds(1), theirs: rounds(1) })
    expect(compareResults(a, b).onlyIn).toEqual({
      a: ['load / warm / ours / connections', 'load / warm / undici'],
      b: ['load / warm / theirs'],
    })
    expect(compareResults(a, fileOf({ ours: rounds(1) }, {}, 'cold')).onlyIn).toEqual({
      a: ['load / warm'],
      b: ['load / cold'],
    })
    const [scenario] = b.results
    const other = { ...b, results: scenario === undefined ? [] : [{ ...scenario, scenario: 'other' }] }
    expect(compareResults(b, other)).toMatchObject({ cases: [], onlyIn: { a: ['load'], b: ['other'] } })
    const narrow = {
      ...b,
      results: b.results.map(result => ({ ...result, metrics: result.metrics.slice(1) })),
    }
    expect(compareResults(b, narrow).onlyIn.a).toEqual(['load / all cases / p50 ms'])
  })

  it('knows by itself in which direction a metric is better when the files do not say', () => {
    const plain = (file: ResultFile): ResultFile => ({
      ...file,
      results: file.results.map(result => ({
        ...result,
        metrics: result.metrics.map(({ key, title }) => ({ key, title })),
      })),
    })
    const [a, b] = [fileOf({ ours: rounds(10) }), fileOf({ ours: rounds(5) })].map(plain)
    if (a === undefined || b === undefined) throw new Error('two files')
    expect(compareResults(a, b).cases[0]?.figures[0]?.verdict).toBe('better')
  })

  it('warns of another machine, other versions, settings and a busy machine', () => {
    const a = fileOf({ ours: rounds(1) })
    const b = fileOf(
      { ours: rounds(1) },
      {
        settings: { rounds: 7, seed: 2, sizes: ['1k'] },
        machine: {
          ...a.machine,
          cpuModel: 'Another CPU',
          loadAtStart: 1.5,
          versions: { node: '22.1.0', caddy: '2.6.2' },
        },
      },
    )
    expect(compareResults(a, b).warnings).toEqual([
      'CPU: Some CPU in A, Another CPU in B',
      'version of node: 20.20.2 in A, 22.1.0 in B',
      'version of nginx: 1.22.1 in A, none in B',
      'version of caddy: none in A, 2.6.2 in B',
      'setting seed: 1 in A, 2 in B',
      'setting sizes: none in A, ["1k"] in B',
      'the machine of B was busy when the run began: load 1.50 on 2 cores',
    ])
  })

  it('warns when all subjects moved to the same side', () => {
    const at = (x: number, y: number, z: number): ResultFile =>
      fileOf({ x: rounds(x), y: rounds(y), z: rounds(z) })
    expect(compareResults(at(1, 1, 1), at(5, 5, 5)).warnings).toEqual([
      'load / warm: all 3 subjects have more p50 ms in B: the machine, or what they share',
    ])
    expect(compareResults(at(5, 5, 5), at(1, 1, 1)).warnings).toHaveLength(1)
    expect(compareResults(at(1, 1, 1), at(5, 5, 1)).warnings).toEqual([])
    expect(compareResults(at(1, 1, 5), at(5, 5, 1)).warnings).toEqual([])
    const two = (p50Ms: number): ResultFile => fileOf({ x: rounds(p50Ms), y: rounds(p50Ms) })
    expect(compareResults(two(1), two(5)).warnings).toEqual([])
  })
})

describe('formatComparison', () => {
  const a = fileOf({ ours: rounds(10, { connections: 1 }), theirs: rounds(10).slice(0, 3), gone: rounds(1) })
  const b = fileOf(
    { ours: rounds(5, { connections: 1 }), theirs: rounds(10) },
    { startedAt: '2026-11-23T01:02:03.000Z', settings: { rounds: 7, seed: 2 } },
  )

  it('lists what changed, counts the rest, and shows the objections and the rule', () => {
    const { rule } = compareResults(a, b)
    expect(
      formatComparison(compareResults(a, b)),
    ).toBe(`A: 2026-11-22T17:34:21.154Z, revision bcc4bf2: load --rounds 7
B: 2026-11-23T01:02:03.000Z, revision bcc4bf2: load --rounds 7
warning: setting seed: 1 in A, 2 in B

2 changed: 2 better, 0 worse, 0 different. No difference shown in 2 of 4 figures, which are not listed. In parentheses: the least and the most of too few rounds for an interval.

[load / warm]
figure                    A   between      B       between    B/A  verdict
---------------------  ----  --------  -----  ------------  -----  -------
ours: p50 ms           10.3  10..10.6   5.30       5..5.60  0.51x   better
ours / theirs: p50 ms     1    (1..1)  0.515  0.500..0.528  0.51x   better

only in A: load / warm / gone

${rule}`)
  })

  it('colors verdicts where there are colors, and counts beyond a dozen what one file lacks', () => {
    const paint = (style: string, text: string): string => `<${style}>${text}</>`
    expect(formatComparison(compareResults(a, b), { columns: 200, paint })).toContain('<green>better</>')
    expect(formatComparison(compareResults(b, a), { columns: 200, paint })).toContain('<red>worse</>')
    const many = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`s${i}`, rounds(1)]))
    const text = formatComparison(compareResults(fileOf({ x: rounds(1), ...many }), fileOf({ x: rounds(1) })))
    expect(text.match(/^only in A:/gm)).toHaveLength(13)
    expect(text).toContain('only in A: and 8 more')
  })

  it('leaves out tables in which nothing moved', () => {
    const same = fileOf({ ours: [{ failures: 0 }] })
    const text = formatComparison(compareResults(same, same))
    expect(text).not.toContain('[load / warm]')
    expect(text).toContain('have no figure in common')
    const equal = fileOf({ ours: rounds(1) })
    expect(formatComparison(compareResults(equal, equal))).toContain(
      'Nothing changed. No difference shown in 1 of 1 figures, which are not listed.',
    )
    const few = (ms: number) => fileOf({ ours: rounds(ms).slice(0, 3) })
    expect(
      formatComparison(compareResults(few(1), few(50))),
      'which would be untrue of 1 and 50 ms',
    ).toContain(
      '\nWhether anything changed cannot be shown by so few rounds: --rounds 6 on both sides can. No difference shown in 1 of 1',
    )
  })
})
