import { describe, expect, it } from 'vitest'
import type { LaneName } from '../../../src/lane.ts'
import { Challengers } from '../../../src/select/challengers.ts'
import { LaneTrials } from '../../../src/select/lane-trials.ts'
import {
  planExploring,
  planLearning,
  type TrialSituation,
  trialConnections,
} from '../../../src/select/trial-plan.ts'
import { Turns } from '../../../src/select/turns.ts'
import { Workload } from '../../../src/select/workload.ts'
import { sampleOf, standingOf } from '../../support/lane-figures.ts'

function situation(but: Partial<TrialSituation> = {}): TrialSituation {
  const current = standingOf('tcp', 40)
  return {
    standings: [current],
    current,
    workload: new Workload(),
    preference: ['tcp', 'h3', 'h2-spread', 'http/1.1'],
    taste: { policy: 'latency', minGain: 0.1 },
    learned: new Set(),
    trials: new LaneTrials(0.02, 10),
    turns: new Turns(10),
    challengers: new Challengers(5_000, 5),
    ...but,
  }
}

/** A lane whose last sample came at `at`. */
function heardAt(lane: LaneName, at: number, ms: number, samples = 6) {
  const standing = standingOf(lane, ms, { prediction: { ms, errorMs: 1, isBorrowed: false } })
  for (let index = 0; index < samples; index += 1) standing.estimates.ttfb.add(40, at)
  return standing
}

/** Losses, and several requests at once: all lanes are worth a trial. */
function lossy(): Workload {
  const workload = new Workload()
  workload.onSample(sampleOf('tcp', { laneStreams: 4 }), 4, true, 0)
  return workload
}

describe('the next trial of learning', () => {
  const tcp = heardAt('tcp', 5, 40)
  tcp.estimates.loss.add(0.02, 0)
  const http1 = { ...standingOf('http/1.1', 1), isMeasured: false }
  const spread = { ...standingOf('h2-spread', 1), isMeasured: false }
  const all = { current: tcp, workload: lossy() }

  it('is that of an unmeasured lane, by preference', () => {
    const standings = [http1, spread, tcp, heardAt('h3', 3, 40)]
    expect(planLearning(situation({ ...all, standings }), 10)).toEqual({
      lane: 'h2-spread',
      purse: 'learning',
      ratio: 1,
    })
  })

  it('is then that of a lane that is too close', () => {
    expect(planLearning(situation({ ...all, standings: [tcp, heardAt('h3', 3, 41)] }), 10)?.lane).toBe('h3')
    expect(planLearning(situation({ ...all, standings: [tcp, heardAt('h3', 3, 50)] }), 10)).toBeUndefined()
  })

  it('leaves out what was learned, may not carry, is left alone, or is not worth it', () => {
    const h3 = heardAt('h3', 3, 41)
    const plan = (but: Partial<TrialSituation>) => planLearning(situation({ ...all, ...but }), 10)
    expect(plan({ standings: [tcp, h3], learned: new Set<LaneName>(['h3']) })).toBeUndefined()
    expect(plan({ standings: [tcp, { ...h3, isEligible: false }] })).toBeUndefined()
    const trials = new LaneTrials(0.02, 10)
    trials.leaveAlone('h3', 'refused', 0)
    expect(plan({ standings: [tcp, h3], trials })).toBeUndefined()
    expect(plan({ standings: [tcp, spread], workload: new Workload() })).toBeUndefined()
  })
})

describe('the next trial after learning', () => {
  const tcp = heardAt('tcp', 100, 40)
  tcp.estimates.loss.add(0.02, 0)

  it('1. is that of a challenger that has to show it again', () => {
    const challengers = new Challengers(5_000, 5)
    challengers.onJudged('h3', true, 6, 50)
    const standings = [tcp, heardAt('h2-spread', 1, 60), heardAt('h3', 50, 30)]
    expect(planExploring(situation({ standings, current: tcp, challengers }), 100)).toEqual({
      lane: 'h3',
      purse: 'exploring',
      ratio: 1,
    })
  })

  it('2. is that of the lane that was not heard of for longest, at the price of its time', () => {
    const trials = new LaneTrials(0.02, 10)
    const standings = [tcp, heardAt('h3', 50, 30), heardAt('h2-spread', 1, 60)]
    const now = situation({ standings, current: tcp, trials, workload: lossy() })
    expect(planExploring(now, 100)).toBeUndefined()
    for (let index = 0; index < 760; index += 1) trials.next(true, 100)
    expect(planExploring(now, 100)).toEqual({ lane: 'h2-spread', purse: 'exploring', ratio: 1.5 })
    expect(planExploring({ ...now, workload: new Workload() }, 100)?.lane).toBe('h3')
  })
})

describe('the connections of a trial', () => {
  it.each([
    ['h3', 1, 1],
    ['tcp', 2.4, 2],
    ['h2-spread', 3.2, 4],
    ['h2-spread', 6, 6],
    ['http/1.1', 7.2, 8],
    ['http/1.1', 50, 16],
  ] as const)('%s, which would have %d: %d', (lane, connections, asked) => {
    expect(trialConnections(standingOf(lane, 40, { connections }), 6)).toBe(asked)
  })
})
