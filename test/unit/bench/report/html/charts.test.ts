import { describe, expect, it } from 'vitest'
import { type Chart, drawChart } from '../../../../../src/bench/report/html/chart.ts'
import { connectionsChart } from '../../../../../src/bench/report/html/charts/connections-chart.ts'
import { metricChart } from '../../../../../src/bench/report/html/charts/metric-chart.ts'
import { objectsChart } from '../../../../../src/bench/report/html/charts/objects-chart.ts'
import { percentileChart } from '../../../../../src/bench/report/html/charts/percentile-chart.ts'
import { phasesChart } from '../../../../../src/bench/report/html/charts/phases-chart.ts'
import { ratioChart } from '../../../../../src/bench/report/html/charts/ratio-chart.ts'
import { lookOf } from '../../../../../src/bench/report/html/subject-look.ts'
import { Histogram } from '../../../../../src/bench/results/histogram.ts'
import type { ObjectTime } from '../../../../../src/bench/results/scenario-result.ts'

const look = lookOf(new Map(), 'h3')
const METRIC = { key: 'ms', title: 'p50 ms', better: 'less' } as const

const drawn = (chart: Chart | undefined): string => (chart === undefined ? 'no chart' : drawChart(chart).text)
/** The path data of everything of that class. */
const paths = (chart: Chart | undefined, kind: string): string[] =>
  [...drawn(chart).matchAll(new RegExp(`class="${kind}[^"]*"[^>]* d="([^"]*)"`, 'g'))].map(([, d = '']) => d)
const places = (d: string): number[] => [...d.matchAll(/M([\d.]+) /g)].map(([, x]) => Number(x))

describe('metricChart', () => {
  it('has a bar to the median, a dot a round, and an interval only where there are rounds enough', () => {
    const chart = metricChart('m', METRIC, [
      { look, rounds: [10, 20, 40, undefined, Number.NaN] },
      { look, rounds: [10, 10, 20, 30, 40, 40] },
    ])
    expect(drawn(chart)).toContain('width="166"') // 20 of 40, on 332 units
    expect(paths(chart, 'dots').map(places)).toEqual([
      [89, 172, 338],
      [89, 89, 172, 255, 338, 338],
    ])
    expect(paths(chart, 'interval')).toHaveLength(1)
    expect(chart?.description).toContain('h3: 20, 10\u201340 over 3 rounds.')
  })

  it('is left out where there is nothing to see', () => {
    expect(metricChart('m', METRIC, [{ look, rounds: [] }])).toBeUndefined()
    expect(
      metricChart('m', METRIC, [
        { look, rounds: [0, 0] },
        { look, rounds: [0] },
      ]),
    ).toBeUndefined()
  })

  it('draws figures below zero to the left of it', () => {
    const chart = metricChart('m', METRIC, [
      { look, rounds: [-10, -10] },
      { look, rounds: [10] },
    ])
    expect(drawn(chart)).toContain('x="6" y="16" width="166"')
  })
})

describe('ratioChart', () => {
  const ratio = { subject: 'a', to: 'b', metric: 'ms', median: 2, min: 1.5, max: 2.5, pairs: 3 }

  it('is hollow unless an interval leaves 1 out', () => {
    const shown = { ...ratio, interval: { low: 1.5, high: 2.5, coverage: 0.96 } }
    const crossing = { ...ratio, interval: { low: 0.9, high: 2.5, coverage: 0.96 } }
    // A hollow marker on the scale, and one before each name that is never hollow.
    expect(drawn(ratioChart('r', 'ms', [ratio], new Map()))).toContain('marker hollow')
    expect(drawn(ratioChart('r', 'ms', [crossing], new Map()))).toContain('marker hollow')
    expect(drawn(ratioChart('r', 'ms', [shown], new Map()))).not.toContain('hollow"')
  })

  it('leaves out ratios that no log scale can hold', () => {
    expect(ratioChart('r', 'ms', [{ ...ratio, min: 0 }], new Map())).toBeUndefined()
    expect(ratioChart('r', 'ms', [{ ...ratio, median: -1 }], new Map())).toBeUndefined()
  })
})

describe('percentileChart', () => {
  const identity = { kind: 'latency', id: 'l', title: 'Latency' }
  const recordOf = (values: readonly number[]) => {
    const histogram = new Histogram()
    for (const value of values) histogram.record(value)
    return histogram.toRecord()
  }

  it('marks the percentiles that can be given, and names them', () => {
    const chart = percentileChart(identity, [
      { look, record: recordOf(Array.from({ length: 100 }, (_, i) => 10 + i)) },
    ])
    expect(drawn(chart).match(/class="marker c7" transform/g)).toHaveLength(3 + 1) // 50, 90, 99 %, and the key's
    expect(chart?.description).toMatch(
      /^h3: 50 % within 59\.0\sms, 90 % within 99\.0\sms, 99 % within 108\sms\.$/,
    )
  })

  it('takes a log scale for long tails only', () => {
    const near = percentileChart(identity, [{ look, record: recordOf([10, 11, 12]) }])
    const far = percentileChart(identity, [{ look, record: recordOf([10, 11, 1_200]) }])
    expect(near?.hint).not.toContain('log')
    expect(far?.hint).toContain('log')
  })

  it('is left out without a curve', () => {
    expect(percentileChart(identity, [{ look, record: recordOf([]) }])).toBeUndefined()
  })
})

describe('phasesChart', () => {
  it('has a bar for each phase where it was, and a legend of those that occur', () => {
    const chart = phasesChart('p', [
      {
        look,
        phases: [
          { name: 'connect', startMs: 0, endMs: 10 },
          { name: 'body', startMs: 10, endMs: 40 },
        ],
      },
    ])
    expect(drawn(chart)).toContain('class="mark phase body" x="89" y="16" width="249"')
    expect(drawn(chart).match(/<li>/g)).toHaveLength(2)
    expect(chart?.description).toBe('h3: connect 10\u00a0ms, body 30\u00a0ms.')
  })

  it('passes over phases that end before they start, or that nobody knows', () => {
    const odd = [
      { name: 'dns', startMs: 5, endMs: 1 },
      { name: 'constructor' as never, startMs: 0, endMs: 1 }, // what another version's file could hold
    ] as const
    expect(phasesChart('p', [{ look, phases: odd }])).toBeUndefined()
  })
})

describe('connectionsChart', () => {
  it('steps from one count to the next', () => {
    const connections = [
      { atMs: 100, open: 0 },
      { atMs: 0, open: 4 },
      { atMs: 50, open: 2 },
    ]
    const chart = connectionsChart('c', [{ look, connections }])
    expect(paths(chart, 'mark step')).toEqual(['M6 16H172V31H338V46'])
    expect(chart?.description).toBe('h3: at most 4 open, 0 at 100\u00a0ms.')
  })
})

describe('objectsChart', () => {
  const objectsOf = (count: number, failing: number): ObjectTime[] =>
    Array.from({ length: count }, (_, i) => ({
      label: `${i}`,
      startedAtMs: 0,
      endedAtMs: count - i,
      ...(i === failing && { hasFailed: true }),
    }))

  it('has a dot for each object in order of its end, and a cross where one failed', () => {
    const chart = objectsChart('o', [{ look, objects: objectsOf(20, 3) }])
    const ends = places(paths(chart, 'mark dots')[0] ?? '')
    expect(ends).toHaveLength(19)
    expect(ends).toEqual([...ends].sort((a, b) => a - b))
    expect(paths(chart, 'mark failed')).toHaveLength(1)
    expect(chart?.description).toBe('h3: half of 20 objects by 10\u00a0ms, the last by 20\u00a0ms.')
  })

  it('draws a part of many, says so, and never leaves out a failure', () => {
    const chart = objectsChart('o', [{ look, objects: objectsOf(2_000, 1_001) }])
    expect(places(paths(chart, 'mark dots')[0] ?? '').length).toBeLessThan(250)
    expect(paths(chart, 'mark failed')).toHaveLength(1)
    expect(chart?.hint).toContain('Of more than 240 a part is drawn.')
  })
})
