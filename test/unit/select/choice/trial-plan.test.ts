import { describe, expect, it } from 'vitest'
import type { LaneName } from '../../../../src/base/http/protocol.ts'
import { Challengers } from '../../../../src/select/choice/challengers.ts'
import type { ExchangeSample } from '../../../../src/select/choice/choice-action.ts'
import { streamsPerConnection, Workload } from '../../../../src/select/choice/lane-estimates.ts'
import type { LaneSnapshot } from '../../../../src/select/choice/lane-snapshot.ts'
import { LaneTrials } from '../../../../src/select/choice/lane-trials.ts'
import {
  planExploring,
  planLearning,
  type TrialSituation,
  trialConnections,
  trialWarmUp,
  trialWorth,
} from '../../../../src/select/choice/trial-plan.ts'
import { Turns } from '../../../../src/select/choice/turns.ts'
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

  it('is that of the lane with several connections, for large bodies', () => {
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

  it('leaves out lanes that were learned, may not carry, are paused, or are not worth it', () => {
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

  it('is that of a challenger that has to show it again (rule 1)', () => {
    const challengers = new Challengers(5_000, 5)
    challengers.onJudged('h3', true, 6, 50)
    const snapshots = [tcp, heardAt('h2-spread', 1, 60), heardAt('h3', 50, 30)]
    expect(planExploring(situation({ snapshots, current: tcp, challengers }), 100)).toEqual({
      lane: 'h3',
      budget: 'exploring',
      ratio: 1,
    })
  })

  it('is that of the lane that was not measured for longest, at the price of its time (rule 2)', () => {
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
  ] as const)('are for %s, which would have %d, limited to %d', (lane, connections, asked) => {
    expect(trialConnections(standingOf(lane, 40, { connections }), 6)).toBe(asked)
  })
})

/**
 * An origin that was asked over `tcp`, four at a time, by ten exchanges of which the `index`th is
 * `but(index)`.
 */
function origin(but: (index: number) => Partial<ExchangeSample> = () => ({}), laneStreams = 4) {
  const snapshots = [standingOf('tcp', 40), standingOf('h3', 40), standingOf('h2-spread', 40)]
  const workload = new Workload()
  for (let index = 0; index < 10; index += 1) {
    const sample = sampleOf('tcp', { laneStreams, ...but(index) })
    workload.onSample(sample, streamsPerConnection(sample), true, index)
    snapshots[0]!.estimates.onSample(sample, workload.meanLargeBytes, index)
  }
  const judge = (lane: 'h3' | 'tcp' | 'h2-spread' | 'http/1.1', ms = 440) => {
    const current = { ...snapshots[0]!, prediction: { ms, errorMs: 0, isBorrowed: false } }
    const all = [current, ...snapshots.slice(1)]
    const { isWorth, because } = trialWorth(lane, all, workload, current)
    return [isWorth, because()] as const
  }
  return { snapshots, judge }
}

const late = (index: number): Partial<ExchangeSample> => (index % 5 === 4 ? { ttfbMs: 200 } : {})

describe('the question whether a lane is worth a trial', () => {
  it('is not asked for another protocol', () => {
    expect(origin().judge('h3')[0]).toBe(true)
    expect(origin().judge('tcp')[0]).toBe(true)
  })

  it('is answered with no while nothing makes one connection stall', () => {
    for (const lane of ['h2-spread', 'http/1.1'] as const)
      expect(origin().judge(lane)).toEqual([
        false,
        'not worth a trial: no sign that losses make one connection stall (0 % lost)',
      ])
  })

  it('is answered with yes when packets are lost, whoever counted them (rule 1)', () => {
    const { snapshots, judge } = origin()
    snapshots[1]!.estimates.loss.add(0.002, 10)
    expect(judge('h2-spread')[0]).toBe(false)
    snapshots[1]!.estimates.loss.add(0.02, 11)
    expect(judge('h2-spread')).toEqual([true, '1.1 % of packets are lost'])
    expect(judge('http/1.1')[0]).toBe(true)
  })

  it('is answered with yes when the kernel counts losses on a shared connection (rule 2)', () => {
    const counted = (ratios: readonly number[], laneStreams?: number) => {
      const made = origin(undefined, laneStreams)
      for (const ratio of ratios) made.snapshots[0]!.estimates.segmentLoss.add(ratio, 10)
      return made.judge('h2-spread')
    }
    expect(counted([0, 0.02, 0, 0.02])).toEqual([true, '1.0 % of segments over tcp show a loss'])
    expect(counted([0, 0.01, 0, 0])[0]).toBe(false)
    expect(counted([0.02, 0.02, 0.02])[0], 'too few').toBe(false)
    expect(counted([0.02, 0.02, 0.02, 0.02], 1)[0], 'shared by nobody').toBe(false)
  })

  it('is not answered by round trips, which vary with how busy a machine is (rule 2)', () => {
    const { snapshots, judge } = origin()
    for (const rtt of [1, 31, 1, 310, 1]) snapshots[0]!.estimates.rtt.add(rtt, 10)
    expect(judge('h2-spread')[0]).toBe(false)
  })

  it('is not answered by first bytes, which show more of what the origin does (rule 2)', () => {
    expect(origin(late).judge('h2-spread')[0]).toBe(false)
  })

  it('is answered with yes when a byte takes much longer than over the best lane (rule 3)', () => {
    const { snapshots, judge } = origin(index =>
      index % 3 === 0 ? { responseBytes: 100_000, bodyMs: 400 } : {},
    )
    expect(judge('h2-spread')[0]).toBe(false)
    snapshots[1]!.estimates.msPerByte.add(0.0002, 10)
    expect(judge('h2-spread')).toEqual([
      true,
      'a byte over tcp takes 5.0 times as long as over the best lane',
    ])
  })

  it('is answered with yes when large bodies share a connection, and its window (rule 4)', () => {
    const large = { responseBytes: 100_000, bodyMs: 400 }
    expect(origin(() => large).judge('http/1.1')).toEqual([
      true,
      'several large responses share a connection, and its window',
    ])
    expect(origin(() => ({ ...large, laneConnections: 4 })).judge('http/1.1')[0]).toBe(false)
    // Bodies that come with their heads gain nothing from more windows; those of a cold connection tell
    // nothing.
    expect(origin(() => large).judge('http/1.1', 50)[0]).toBe(false)
    expect(origin(() => large).judge('http/1.1', 51)[0]).toBe(true)
    expect(origin(() => ({ ...large, isFirst: true })).judge('http/1.1')[0]).toBe(false)
  })

  it('is answered with no for small responses that no connection over TCP could carry faster', () => {
    const lossy = (but?: (index: number) => Partial<ExchangeSample>) => {
      const { snapshots, judge } = origin(but)
      snapshots[1]!.estimates.loss.add(0.02, 10)
      snapshots[1]!.estimates.rtt.add(40, 10)
      return judge
    }
    // A round trip of 40 ms, and in one request of 25 a time-out of 240 ms.
    expect(lossy()('http/1.1', 49)).toEqual([
      false,
      'not worth a trial: with the losses that there are it would take 49.6 ms at the least',
    ])
    expect(lossy()('http/1.1', 50)[0]).toBe(true)
    expect(lossy(() => ({ responseBytes: 100_000, bodyMs: 5 }))('http/1.1', 45)[0]).toBe(true)
  })

  it('is answered with no where another lane tolerates losses better, and is about as fast', () => {
    const risky = (h3Ms: number) => {
      const snapshots = [
        standingOf('tcp', 40, { isRisky: true }),
        standingOf('h3', h3Ms),
        standingOf('h2-spread', 40, { isRisky: true, isMeasured: false }),
      ]
      snapshots[0]!.estimates.loss.add(0.02, 0)
      const workload = new Workload()
      workload.onSample(sampleOf('tcp', { laneStreams: 4 }), 4, true, 0)
      const { isWorth, because } = trialWorth('h2-spread', snapshots, workload, snapshots[0])
      return [isWorth, because()]
    }
    expect(risky(60)).toEqual([false, 'not worth a trial: h3 waits less for what is lost, if anything is'])
    expect(risky(61)).toEqual([true, '2.0 % of packets are lost'])
  })

  it('is answered with no when there is no other exchange to be stalled', () => {
    const { snapshots, judge } = origin(late, 1)
    snapshots[0]!.estimates.loss.add(0.05, 10)
    expect(judge('h2-spread')).toEqual([
      false,
      'not worth a trial: hardly two requests are under way at once',
    ])
  })
})
