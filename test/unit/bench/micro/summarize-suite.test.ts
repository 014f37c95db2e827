import { describe, expect, it } from 'vitest'
import { formatSuites } from '../../../../bench/micro/micro-comparison.ts'
import { summarizeSuite } from '../../../../bench/micro/summarize-suite.ts'

const round = (cpuNs: number, calibrationNs: number) => ({
  operation: 'request',
  cases: [
    { name: 'lane', aimNs: 2000, measurement: { ns: 100, cpuNs, calibrationNs } },
    { name: 'explain', measurement: { ns: 9000, cpuNs: 9000, heapBytes: 48, calibrationNs } },
  ],
})

describe('summarizeSuite', () => {
  it('makes its cases the rows of one table, and judges the aims of those that have one', () => {
    const result = summarizeSuite('select', [round(1900, 10), round(2300, 10)], ['it exited with 1'])
    const [table] = result.cases
    expect(result.scenario).toBe('micro/select')
    expect(table?.name).toBe('per request')
    expect(table?.subjects.map(({ subject, rounds }) => [subject, rounds.length])).toEqual([
      ['lane', 2],
      ['explain', 2],
    ])
    expect(table?.aims).toEqual([
      { subject: 'lane', metric: 'cpuNs', atMost: 2000, measured: 2100, met: false },
    ])
    expect(result.unavailable).toEqual([{ subject: 'a round of select', because: 'it exited with 1' }])
  })

  it('makes no table of rounds that all failed', () => {
    expect(summarizeSuite('select', [], ['it exited with 1']).cases).toEqual([])
  })
})

describe('formatSuites', () => {
  it('shows times at the speed of the quickest rounds, and - for what is not reported', () => {
    const text = formatSuites([summarizeSuite('select', [round(1000, 10), round(1000, 20)], [])])
    expect(text).toContain('the calibration loop took 10 ns')
    expect(text.split('\n').find(line => line.startsWith('lane'))).toMatch(
      /^lane +75 +\(50\.\.100\) +750 +-$/,
    )
    expect(text).toContain('aim: at most 2000 CPU ns: met by 1 of 1')
  })
})
