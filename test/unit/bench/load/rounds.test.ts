import { describe, expect, it } from 'vitest'
import { runRounds } from '../../../../src/bench/load/rounds.ts'
import { summarizeCase } from '../../../../src/bench/results/summaries.ts'

describe('runRounds', () => {
  it('warms every subject up, then interleaves, each round beginning with another', async () => {
    const events: string[] = []
    const measurements = await runRounds({
      subjects: ['a', 'b', 'c'],
      rounds: 3,
      async warmUp(subject) {
        events.push('warm', subject)
      },
      async measure(subject, round) {
        events.push(`${subject}${round}`)
        return { round }
      },
    })
    expect(events.join(' ')).toBe('warm a warm b warm c a0 b0 c0 b1 c1 a1 c2 a2 b2')
    expect(measurements.get('c')).toEqual([{ round: 0 }, { round: 1 }, { round: 2 }])
  })
})

describe('summarizeCase', () => {
  it('computes medians of each metric and ratios to the references that were measured', () => {
    const result = summarizeCase(
      '1k',
      new Map([
        [
          'nginx',
          [
            { cpu: 1, rps: 5 },
            { cpu: 2, rps: 4 },
            { cpu: 3, rps: 9 },
          ],
        ],
        [
          'ours',
          [
            { cpu: 2, rps: 1 },
            { cpu: 2, rps: 2 },
            { cpu: 9, rps: 3 },
          ],
        ],
      ]),
      'cpu',
      () => ['nginx', 'absent'],
    )
    expect(result.subjects.map(({ subject, median }) => [subject, median])).toEqual([
      ['nginx', { cpu: 2, rps: 5 }],
      ['ours', { cpu: 2, rps: 2 }],
    ])
    expect(result.ratios).toEqual([
      { subject: 'ours', to: 'nginx', metric: 'cpu', median: 2, min: 1, max: 3, pairs: 3 },
    ])
  })
})
