import { describe, expect, it } from 'vitest'
import type { LaneName } from '../../../../src/base/http/lane.ts'
import { Challengers } from '../../../../src/select/choice/challengers.ts'
import type { LaneSnapshot } from '../../../../src/select/choice/lane-snapshot.ts'
import { LaneTrials } from '../../../../src/select/choice/lane-trials.ts'
import {
  planExploring,
  planLearning,
  type TrialSituation,
  trialConnections,
  trialWarmUp,
} from '../../../../src/select/choice/trial-plan.ts'
import { Turns } from '../../../../src/select/choice/turns.ts'
import { Workload } from '../../../../src/select/choice/workload.ts'
import { sampleOf, standingOf, warmEstimates } from '../../../support/lane-figures.ts'

function situation(but: Partial<TrialSituation> = {}): TrialSituation {
  const current = standingOf('tcp', 40)
  return {
    snapshots: [current],
    current,
    workload: new Workload(),
    preference: ['tcp', 'h3', 'h2-spread', 'http/1.1'],
    policyOptions: { policy: 'latency', minGain: 0.1 },
    learned: new Set(),
    trials: new LaneTrials(0.02, 10),
    turns: new Turns(10),
    challengers: new Challengers(5_000, 5),
    ...but,
  }
}

/** A lane whose last sample came at `at`. */
function heardAt(lane: LaneName, at: number, ms: number) {
  const prediction = { ms, errorMs: 1, isBorrowed: false }
  return standingOf(lane, ms, { prediction, estimates: warmEstimates(40, 6, at) })
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
    const snapshots = [http1, spread, tcp, heardAt('h3', 3, 40)]
    expect(planLearning(situation({ ...all, snapshots }), 10)).toEqual({
      lane: 'h2-spread',
      budget: 'learning',
      ratio: 1,
    })
  })

  it('is that of the most connections, of several, for large bodies', () => {
    const workload = new Workload()
    workload.onSample(sampleOf('tcp', { laneStreams: 10, responseBytes: 100_000 }), 10, true, 0)
    const plan = (connections: number) => {
      const many = { ...http1, connections }
      const snapshots = [many, { ...spread, connections: 6 }, tcp]
      return planLearning(situation({ ...all, workload, snapshots }), 10)?.lane
    }
    expect([plan(10), plan(6), plan(2)]).toEqual(['http/1.1', 'h2-spread', 'h2-spread'])
    const h3 = { ...standingOf('h3', 1), isMeasured: false }
    const first = planLearning(
      situation({ ...all, workload, snapshots: [h3, { ...http1, connections: 10 }, tcp] }),
      10,
    )
    expect(first?.lane).toBe('h3')
  })

  it('is then that of a lane that is too close', () => {
    expect(planLearning(situation({ ...all, snapshots: [tcp, heardAt('h3', 3, 41)] }), 10)?.lane).toBe('h3')
    expect(planLearning(situation({ ...all, snapshots: [tcp, heardAt('h3', 3, 50)] }), 10)).toBeUndefined()
  })

  it('waits for half a block of what carries between two trials of the same lane', () => {
    const turns = new Turns(10)
    const plan = () =>
      planLearning(situation({ ...all, turns, snapshots: [tcp, heardAt('h3', 3, 41)] }), 10)?.lane
    turns.onTried('h3')
    for (let index = 0; index < 5; index += 1) {
      expect(plan()).toBeUndefined()
      turns.onCarried()
    }
    expect(plan()).toBe('h3')
    // Nor is one tried again whose requests have not told yet.
    const unmeasured = () => planLearning(situation({ ...all, turns, snapshots: [tcp, http1] }), 10)?.lane
    expect(unmeasured()).toBe('http/1.1')
    turns.onTried('http/1.1')
    expect(unmeasured()).toBeUndefined()
  })

  it('is none for a lane that is too close, when all of learning would take more than five blocks', () => {
    const turns = new Turns(10)
    const plan = (snapshot: LaneSnapshot) =>
      planLearning(situation({ ...all, turns, snapshots: [tcp, snapshot] }), 10)?.lane
    for (let index = 0; index < 40; index += 1) turns.onCarried()
    expect(plan(heardAt('h3', 3, 41))).toBe('h3')
    turns.onCarried()
    expect([plan(heardAt('h3', 3, 41)), plan(http1)]).toEqual([undefined, 'http/1.1'])
  })

  it('leaves out what was learned, may not carry, is left alone, or is not worth it', () => {
    const h3 = heardAt('h3', 3, 41)
    const plan = (but: Partial<TrialSituation>) => planLearning(situation({ ...all, ...but }), 10)
    expect(plan({ snapshots: [tcp, h3], learned: new Set<LaneName>(['h3']) })).toBeUndefined()
    expect(plan({ snapshots: [tcp, { ...h3, isEligible: false }] })).toBeUndefined()
    const trials = new LaneTrials(0.02, 10)
    trials.leaveAlone('h3', 'refused', 0)
    expect(plan({ snapshots: [tcp, h3], trials })).toBeUndefined()
    expect(plan({ snapshots: [tcp, spread], workload: new Workload() })).toBeUndefined()
  })
})

describe('the next trial after learning', () => {
  const tcp = heardAt('tcp', 100, 40)
  tcp.estimates.loss.add(0.02, 0)

  it('1. is that of a challenger that has to show it again', () => {
    const challengers = new Challengers(5_000, 5)
    challengers.onJudged('h3', true, 6, 50)
    const snapshots = [tcp, heardAt('h2-spread', 1, 60), heardAt('h3', 50, 30)]
    expect(planExploring(situation({ snapshots, current: tcp, challengers }), 100)).toEqual({
      lane: 'h3',
      budget: 'exploring',
      ratio: 1,
    })
  })

  it('2. is that of the lane that was not heard of for longest, at the price of its time', () => {
    const trials = new LaneTrials(0.02, 10)
    const snapshots = [tcp, heardAt('h3', 50, 30), heardAt('h2-spread', 1, 60)]
    const now = situation({ snapshots, current: tcp, trials, workload: lossy() })
    expect(planExploring(now, 100)).toBeUndefined()
    for (let index = 0; index < 760; index += 1) trials.next(true, 100)
    expect(planExploring(now, 100)).toEqual({ lane: 'h2-spread', budget: 'exploring', ratio: 1.5 })
    expect(planExploring({ ...now, workload: new Workload() }, 100)?.lane).toBe('h3')
  })
})

describe('the warm-up of a trial', () => {
  it('is a round of large bodies, and none of small ones', () => {
    const small = lossy()
    expect(trialWarmUp(small, 10)).toBe(0)
    const large = (laneStreams: number): Workload => {
      const workload = new Workload()
      workload.onSample(sampleOf('tcp', { laneStreams, responseBytes: 100_000 }), laneStreams, true, 0)
      return workload
    }
    expect([1, 4, 64].map(streams => trialWarmUp(large(streams), 10))).toEqual([1, 4, 10])
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
