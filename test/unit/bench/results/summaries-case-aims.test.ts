import { describe, expect, it } from 'vitest'
import { judgeAims } from '../../../../src/bench/results/scenario-result.ts'
import { summarizeCase } from '../../../../src/bench/results/summaries.ts'

const result = summarizeCase(
  '1k',
  new Map([
    ['ours', [{ cpu: 0.01 }, { cpu: 0.012 }, { cpu: 0.03 }]],
    ['nginx', [{ cpu: 0.02 }, { cpu: 0.01 }, { cpu: 0.03 }]],
  ]),
  'cpu',
  () => ['nginx'],
)

describe('judgeAims', () => {
  it('holds the median of a figure against the aim', () => {
    const verdicts = judgeAims(result, [
      { subject: 'ours', metric: 'cpu', atMost: 0.012 },
      { subject: 'ours', metric: 'cpu', atMost: 0.011 },
      { subject: 'ours', metric: 'cpu', atLeast: 0.012 },
      { subject: 'ours', metric: 'cpu', atLeast: 0.013 },
    ])
    expect(verdicts.map(({ measured, met }) => [measured, met])).toEqual([
      [0.012, true],
      [0.012, false],
      [0.012, true],
      [0.012, false],
    ])
  })

  it('holds the median of the ratios, round by round, against an aim beside another subject', () => {
    const [verdict] = judgeAims(result, [{ subject: 'ours', metric: 'cpu', to: 'nginx', atMost: 1 }])
    expect(verdict).toMatchObject({ measured: 1, met: true })
  })

  it('does not call an aim met that was not measured, and leaves out subjects that did not run', () => {
    expect(judgeAims(result, [{ subject: 'ours', metric: 'rps', atMost: 1 }])).toMatchObject([
      { measured: undefined, met: false },
    ])
    expect(judgeAims(result, [{ subject: 'ours', metric: 'cpu', to: 'haproxy', atMost: 1 }])).toMatchObject([
      { measured: undefined, met: false },
    ])
    expect(judgeAims(result, [{ subject: 'theirs', metric: 'cpu', atMost: 1 }])).toEqual([])
  })
})
