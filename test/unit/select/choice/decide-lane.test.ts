import { describe, expect, it } from 'vitest'
import { type DecisionInput, decideLane } from '../../../../src/select/choice/decide-lane.ts'
import { LaneEstimates } from '../../../../src/select/choice/lane-estimates.ts'
import { candidateOf, sampleOf, standingOf, warmEstimates } from '../../../support/lane-figures.ts'

function decide(but: Partial<DecisionInput>): [lane: string, rule: string, because: string] {
  const { lane, rule, because } = decideLane({
    snapshots: [],
    incumbent: 'tcp',
    preference: ['h3', 'tcp', 'h2-spread', 'http/1.1'],
    policyOptions: { policy: 'auto', minGain: 0.1 },
    sustainMs: 5_000,
    phase: 'settled',
    isCarrying: false,
    tried: undefined,
    mustWait: () => false,
    holds: () => undefined,
    ...but,
  })
  return [lane, rule, because()]
}

const unmeasured = { isMeasured: false, prediction: undefined } as const
const blocked = (because: string) => ({ ...candidateOf('h3', false, because) })

/** 40 % of its requests fail. */
function failingEstimates(): LaneEstimates {
  const estimates = new LaneEstimates()
  for (let index = 0; index < 10; index += 1)
    estimates.onSample(sampleOf('tcp', { failed: index % 5 < 2 }), 1, index)
  return estimates
}

describe('the decision of a lane', () => {
  it('uses the only lane that may carry, or TCP where none may (rule 1)', () => {
    expect(decide({})).toEqual(['tcp', 'only-candidate', 'nothing is known of the origin yet'])
    const none = [standingOf('h3', 1, blocked('it is broken for 8 s'))]
    expect(decide({ snapshots: none })).toEqual([
      'tcp',
      'only-candidate',
      'no lane may carry requests (h3: it is broken for 8 s)',
    ])
    const h3 = standingOf('h3', 1, blocked('it is broken for 8 s'))
    expect(decide({ snapshots: [h3, standingOf('tcp', 40)] })).toEqual([
      'tcp',
      'only-candidate',
      'no other lane may carry requests (h3: it is broken for 8 s)',
    ])
    expect(decide({ snapshots: [standingOf('h3', 40)] })[0]).toBe('h3')
  })

  it('leaves a lane that fails for one that does not (rule 2)', () => {
    const tcp = standingOf('tcp', 20, { isFailing: true, estimates: failingEstimates() })
    expect(decide({ snapshots: [tcp, standingOf('h3', 400)] })).toEqual([
      'h3',
      'failing',
      '40 % of requests over tcp failed; h3 is healthy',
    ])
    expect(decide({ snapshots: [tcp, { ...standingOf('h3', 1), ...unmeasured }] })[0]).toBe('h3')
    expect(decide({ snapshots: [tcp, standingOf('h3', 1, { isFailing: true })] })).toEqual([
      'tcp',
      'kept',
      '40 % of requests over tcp failed, and so does the rest',
    ])
    // What failed is not taken for being fast, and says why it is not.
    expect(decide({ snapshots: [tcp, standingOf('h3', 400)], incumbent: 'h3' })).toEqual([
      'h3',
      'failing',
      '40 % of requests over tcp failed; h3 is healthy',
    ])
  })

  it('follows the preference where nothing was measured (rule 3)', () => {
    const snapshots = [standingOf('tcp', 1), standingOf('h3', 1)].map(one => ({ ...one, ...unmeasured }))
    expect(decide({ snapshots })).toEqual([
      'h3',
      'unmeasured',
      'nothing was measured yet, and h3 comes first',
    ])
    expect(decide({ snapshots, preference: ['http/1.1', 'tcp'] })[0]).toBe('tcp')
  })

  it('stays with a lane that has a connection where nothing was measured, whatever is preferred (rule 3)', () => {
    const snapshots = [standingOf('tcp', 1), standingOf('h3', 1)].map(one => ({ ...one, ...unmeasured }))
    expect(decide({ snapshots, isCarrying: true })).toEqual([
      'tcp',
      'unmeasured',
      'nothing was measured yet, and tcp carries',
    ])
    expect(decide({ snapshots, isCarrying: true, incumbent: undefined })[0]).toBe('h3')
  })

  it('uses the policy’s best of the rest where the lane that carried may not any more (rule 4)', () => {
    const snapshots = [
      standingOf('h3', 20, blocked('UDP is blocked')),
      standingOf('tcp', 40),
      standingOf('h2-spread', 30),
    ]
    expect(decide({ snapshots, incumbent: 'h3' })).toEqual([
      'h2-spread',
      'faster',
      'h3 may not carry (UDP is blocked); h2-spread takes 30.0 ms, 25 % less than tcp (40.0 ms)',
    ])
    expect(decide({ snapshots, incumbent: undefined })[2]).toMatch(/^h2-spread takes/)
  })

  it('stays while there is nothing to compare the lane with (rule 5)', () => {
    const h3 = { ...standingOf('h3', 1), ...unmeasured }
    expect(decide({ snapshots: [standingOf('tcp', 400), h3] })).toEqual([
      'tcp',
      'unmeasured',
      'no other lane was measured yet',
    ])
    expect(decide({ snapshots: [standingOf('tcp', 400), h3], incumbent: 'h3' }).slice(0, 2)).toEqual([
      'h3',
      'unmeasured',
    ])
  })

  it('uses the policy’s best without further proof when learning is over (rule 6)', () => {
    const snapshots = [standingOf('tcp', 40), standingOf('h3', 35.9)]
    const over = { snapshots, phase: 'first-choice', holds: () => 'not now' } as const
    expect(decide(over)).toEqual(['h3', 'faster', 'h3 takes 35.9 ms, 10 % less than tcp (40.0 ms)'])
    expect(decide({ ...over, policyOptions: { policy: 'efficiency', minGain: 0.1 } })).toEqual([
      'tcp',
      'cheaper',
      'h3 costs 5.0 times the CPU of tcp; tcp takes 40.0 ms, 11 % more than h3 (35.9 ms)',
    ])
    expect(
      decide({ ...over, incumbent: 'h3', snapshots: [standingOf('tcp', 40), standingOf('h3', 39)] }),
    ).toEqual([
      'tcp',
      'cheaper',
      'h3 costs 5.0 times the CPU of tcp; tcp takes 40.0 ms, 2.6 % more than h3 (39.0 ms)',
    ])
  })

  it('uses the lane that tolerates losses when learning is over, and says so (rule 6)', () => {
    const snapshots = [standingOf('tcp', 40, { isRisky: true }), standingOf('h3', 41)]
    expect(decide({ snapshots, phase: 'first-choice' })).toEqual([
      'h3',
      'safer',
      'nothing says that no packets are lost, for which small responses over tcp would wait longer; h3 takes 41.0 ms, 2.5 % more than tcp (40.0 ms)',
    ])
    expect(decide({ snapshots, incumbent: 'h3' })[1]).toBe('safer')
  })

  it('uses a lane that is better beyond doubt while learning, but not in the middle of a trial (rule 7)', () => {
    const known = warmEstimates(40, 6)
    const tcp = standingOf('tcp', 40, { estimates: known })
    const h3 = (errorMs: number) =>
      standingOf('h3', 30, { prediction: { ms: 30, errorMs, isBorrowed: false }, estimates: known })
    const snapshots = [tcp, h3(2)]
    const holds = (): string => 'not asked for'
    expect(decide({ snapshots, phase: 'learning', holds })).toEqual([
      'h3',
      'faster',
      'h3 takes 30.0 ms, 25 % less than tcp (40.0 ms)',
    ])
    expect(decide({ snapshots, phase: 'learning', tried: 'h3' })[0]).toBe('tcp')
    expect(decide({ snapshots, phase: 'learning', tried: 'http/1.1' })[0]).toBe('h3')
    // 30 ms, half as much again, and seven round trips.
    const slow = standingOf('tcp', 330, { estimates: known })
    expect(decide({ snapshots: [slow, h3(2)], phase: 'learning', tried: 'h3' })[0]).toBe('h3')
    const lessSlow = standingOf('tcp', 320, { estimates: known })
    expect(decide({ snapshots: [lessSlow, h3(2)], phase: 'learning', tried: 'h3' })[0]).toBe('tcp')
    expect(decide({ snapshots, phase: 'learning', mustWait: () => true })[0]).toBe('tcp')
    expect(decide({ snapshots: [tcp, h3(4)], phase: 'learning' })).toEqual([
      'tcp',
      'kept',
      'h3 takes 30.0 ms, 25 % less than tcp (40.0 ms), but more requests have to show it first',
    ])
  })

  it('uses a lane that is better after learning, and is not held back (rule 7)', () => {
    const snapshots = [standingOf('tcp', 40), standingOf('h3', 30)]
    expect(decide({ snapshots })).toEqual([
      'h3',
      'faster',
      'h3 takes 30.0 ms, 25 % less than tcp (40.0 ms), for at least 5.0 s',
    ])
    expect(decide({ snapshots, holds: () => 'it must stay better for 5.0 s, and has for 1.0 s' })).toEqual([
      'tcp',
      'kept',
      'h3 takes 30.0 ms, 25 % less than tcp (40.0 ms), but it must stay better for 5.0 s, and has for 1.0 s',
    ])
    expect(decide({ snapshots: [standingOf('tcp', 40), standingOf('h3', 39)], incumbent: 'h3' })).toEqual([
      'tcp',
      'cheaper',
      'h3 costs 5.0 times the CPU of tcp; tcp takes 40.0 ms, 2.6 % more than h3 (39.0 ms), for at least 5.0 s',
    ])
  })

  it('stays with the lane in all other cases, and says why (rule 8)', () => {
    const tcp = standingOf('tcp', 40)
    expect(decide({ snapshots: [tcp, standingOf('h3', 50)] }).slice(0, 2)).toEqual(['tcp', 'faster'])
    expect(decide({ snapshots: [tcp, standingOf('h3', 38)] }).slice(0, 2)).toEqual(['tcp', 'cheaper'])
    expect(decide({ snapshots: [tcp, standingOf('h2-spread', 38)] })).toEqual([
      'tcp',
      'kept',
      'nothing is better by more than 10 % and by more than chance: h2-spread takes 38.0 ms, 5.0 % less than tcp (40.0 ms)',
    ])
    const latency = { policy: 'latency', minGain: 0.1 } as const
    expect(decide({ snapshots: [tcp, standingOf('h3', 38)], policyOptions: latency }).slice(0, 2)).toEqual([
      'tcp',
      'kept',
    ])
    expect(decide({ snapshots: [tcp, standingOf('h3', 41)], policyOptions: latency })).toEqual([
      'tcp',
      'faster',
      'tcp takes 40.0 ms, 2.4 % less than h3 (41.0 ms)',
    ])
  })
})
