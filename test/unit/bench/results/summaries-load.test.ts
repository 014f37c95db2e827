import { describe, expect, it } from 'vitest'
import type { LoadReport } from '../../../../src/bench/load/load-tally.ts'
import { loadMetricsOf, summarizeLoad } from '../../../../src/bench/results/summaries.ts'
import { recordOf, roundOf } from '../load-report-of.ts'

const options = {
  name: 'warm',
  compared: ['p50Ms', 'cpuMsPerRequest'],
  references: (subject: string) => (subject === 'h1' ? [] : ['h1']),
}

const labelled = (label: string): Partial<LoadReport> => ({
  objects: [{ label, startedAtMs: 0, endedAtMs: 1 }],
  phases: [{ name: 'waiting', startMs: 0, endMs: 1 }],
  connections: [{ atMs: 0, open: 1 }],
})

describe('summarizeLoad', () => {
  it('compares subjects pair by pair for each figure that is asked for', () => {
    const result = summarizeLoad(
      new Map([
        ['h1', [roundOf([1]), roundOf([2])]],
        ['h2', [roundOf([0.5]), roundOf([1])]],
      ]),
      options,
    )
    expect(result).toMatchObject({
      name: 'warm',
      subjects: [
        { subject: 'h1', median: { p50Ms: 1.5 } },
        { subject: 'h2', median: { p50Ms: 0.75 } },
      ],
      ratios: [
        { subject: 'h2', to: 'h1', metric: 'p50Ms', median: 0.5, pairs: 2 },
        { subject: 'h2', to: 'h1', metric: 'cpuMsPerRequest', median: 1, pairs: 2 },
      ],
    })
    expect(result).not.toHaveProperty('notes')
  })

  it('merges distributions over all rounds', () => {
    const result = summarizeLoad(new Map([['h1', [roundOf([1, 3]), roundOf([2])]]]), options)
    expect(result.subjects[0]?.detail).toEqual({
      latency: recordOf([1, 2, 3]),
      firstByte: recordOf([0.5, 1, 1.5]),
    })
  })

  it('lets the round with the median of the median latencies stand for all, whatever their order', () => {
    const rounds = [
      roundOf([], { requests: 1, failures: 1, ...labelled('failed') }),
      roundOf([9], labelled('slow')),
      roundOf([1], labelled('fast')),
      roundOf([5], labelled('middle')),
    ]
    const { detail } = summarizeLoad(new Map([['h1', rounds]]), options).subjects[0] ?? {}
    expect(detail).toMatchObject(labelled('middle'))
    const even = summarizeLoad(new Map([['h1', rounds.slice(0, 3)]]), options).subjects[0]?.detail
    expect(even?.objects?.[0]?.label).toBe('fast')
  })

  it('has no detail where no answer came', () => {
    const result = summarizeLoad(
      new Map([['h1', [roundOf([], { requests: 1, failures: 1, ...labelled('x') })]]]),
      options,
    )
    expect(result.subjects[0]?.detail).toEqual({})
  })

  it('notes failures, what was cut short, the protocols that carried it and what was too long', () => {
    const rounds = [
      roundOf([1], {
        requests: 3,
        failures: 2,
        failuresByCode: { ECONNRESET: 1, 'status-503': 1 },
        firstFailure: 'ECONNRESET: read ECONNRESET',
        byProtocol: { h2: 1, h3: 2 },
      }),
      roundOf([3_600_001], {
        requests: 2,
        failures: 1,
        failuresByCode: { 'status-503': 1 },
        stoppedBecause: 'the deadline came',
        byProtocol: { h3: 1 },
      }),
    ]
    expect(summarizeLoad(new Map([['auto', rounds]]), options).notes).toEqual([
      'auto: 3 of 5 failed: status-503 2, ECONNRESET 1; the first: ECONNRESET: read ECONNRESET',
      'auto: round 2 ended before its time: the deadline came',
      'auto: carried by h3 3, h2 1',
      'auto: 1 took longer than an hour and are counted as an hour',
    ])
  })
})

describe('loadMetricsOf', () => {
  it('returns the columns that some subject can fill, in their order', () => {
    const plain = summarizeLoad(new Map([['h1', [roundOf([1])]]]), options)
    const knowing = summarizeLoad(new Map([['h2', [roundOf([1], { usable: 1 })]]]), options)
    const keys = loadMetricsOf([plain]).map(({ key }) => key)
    expect(keys).toContain('p50Ms')
    expect(keys).not.toContain('connections')
    expect(keys).not.toContain('p99Ms')
    expect(loadMetricsOf([plain, knowing]).map(({ key }) => key)).toContain('connections')
    expect(keys.indexOf('p50Ms')).toBeLessThan(keys.indexOf('cpuMsPerRequest'))
  })
})
