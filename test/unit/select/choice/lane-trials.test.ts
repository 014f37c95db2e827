import { describe, expect, it } from 'vitest'
import { LaneTrials } from '../../../../src/select/choice/lane-trials.ts'
import { sampleOf } from '../../../support/lane-figures.ts'

function steering(block = 10, budget: 'learning' | 'exploring' = 'learning', ratio = 1): LaneTrials {
  const trials = new LaneTrials(0.02, block)
  trials.begin('h3', budget, ratio, 0)
  trials.onReady('h3', 0)
  return trials
}

const takes = (trials: LaneTrials, count: number, mayTry = true): number => {
  let taken = 0
  for (let index = 0; index < count; index += 1) if (trials.next(mayTry, 0) !== undefined) taken += 1
  return taken
}

describe('a trial', () => {
  it('steers its block of requests as soon as it is ready, and no others', () => {
    const trials = new LaneTrials(0.02, 10)
    expect(takes(trials, 5)).toBe(0)
    trials.begin('h3', 'learning', 1, 0)
    expect(takes(trials, 5)).toBe(0)
    expect(trials.progress).toBe('a trial is being prepared')
    trials.onReady('tcp', 0)
    expect(trials.isSteering).toBe(false)
    trials.onReady('h3', 0)
    expect(takes(trials, 5, false)).toBe(0)
    expect(takes(trials, 50)).toBe(10)
  })

  it('has more requests than its block where the first ones say little, and pays for them', () => {
    const trials = new LaneTrials(0.02, 10)
    trials.begin('h3', 'learning', 1, 0, 10)
    trials.onReady('h3', 0)
    expect([takes(trials, 50), trials.learningSpent, trials.learningBlocks]).toEqual([20, 20, 2])
    for (let index = 0; index < 19; index += 1) expect(trials.onSample(sampleOf('h3'), false, 0)).toBe(false)
    expect(trials.progress).toBe('a trial: 19 of 20 requests')
    expect(trials.onSample(sampleOf('h3'), false, 0)).toBe(true)
  })

  it('steers no more requests when it is cut, and ends when the steered ones have reported', () => {
    const trials = steering(10)
    takes(trials, 4)
    trials.cut()
    expect([takes(trials, 10), trials.learningSpent]).toEqual([0, 4])
    for (let index = 0; index < 3; index += 1) expect(trials.onSample(sampleOf('h3'), false, 0)).toBe(false)
    expect(trials.onSample(sampleOf('h3'), false, 0)).toBe(true)
    trials.cut()
    expect(trials.lane).toBeUndefined()
  })

  it('ends when a quarter of its requests has reported, and others wait', () => {
    const trials = steering(10)
    takes(trials, 9)
    for (let index = 0; index < 4; index += 1) expect(trials.onSample(sampleOf('h3'), true, 0)).toBe(false)
    takes(trials, 1)
    expect(trials.onSample(sampleOf('h3'), true, 0)).toBe(true)
  })

  it('ends when all of its requests have reported', () => {
    const trials = steering(3)
    takes(trials, 3)
    expect(trials.onSample(sampleOf('h3'), false, 0)).toBe(false)
    expect(trials.onSample(sampleOf('tcp'), false, 0)).toBe(false)
    expect(trials.progress).toBe('a trial: 1 of 3 requests')
    expect(trials.onSample(sampleOf('h3'), false, 0)).toBe(false)
    expect(trials.onSample(sampleOf('h3'), false, 0)).toBe(true)
    expect(trials.lane).toBeUndefined()
    expect(trials.isAllowed('h3', 0)).toBe(true)
  })

  it('ends at once when two of its requests fail, and the lane is left alone, longer each time', () => {
    const trials = new LaneTrials(0.02, 10)
    let now = 0
    for (const minutes of [1, 2, 4, 8, 16, 32, 60, 60]) {
      trials.begin('h3', 'exploring', 1, now)
      trials.onReady('h3', now)
      expect(trials.onSample(sampleOf('h3', { failed: true }), false, now)).toBe(false)
      expect(trials.onSample(sampleOf('h3', { failed: true }), false, now)).toBe(true)
      expect(trials.leftAlone('h3', now)).toEqual({
        because: '2 requests of its last trial failed',
        forMs: minutes * 60_000,
      })
      expect(trials.isAllowed('h3', now + minutes * 60_000 - 1)).toBe(false)
      now += minutes * 60_000
      expect(trials.isAllowed('h3', now)).toBe(true)
    }
  })

  it('forgets failures with a trial that went well', () => {
    const trials = new LaneTrials(0.02, 1)
    trials.leaveAlone('h3', 'it failed', 0)
    trials.leaveAlone('h3', 'it failed', 0)
    trials.begin('h3', 'exploring', 1, 200_000)
    trials.onReady('h3', 200_000)
    trials.onSample(sampleOf('h3'), false, 200_000)
    trials.leaveAlone('h3', 'it failed', 200_000)
    expect(trials.leftAlone('h3', 200_000)?.forMs).toBe(60_000)
  })

  it('ends with what it has after ten seconds of activity', () => {
    const trials = steering()
    takes(trials, 10)
    trials.onSample(sampleOf('h3'), false, 500)
    for (let now = 1_000; now <= 10_000; now += 500)
      expect(trials.onSample(sampleOf('tcp'), false, now)).toBe(false)
    expect(trials.onSample(sampleOf('tcp'), false, 10_500)).toBe(true)
    expect(trials.isAllowed('h3', 10_500)).toBe(true)
  })

  it('does not count pauses of the caller', () => {
    const trials = steering()
    takes(trials, 5)
    expect(trials.onSample(sampleOf('h3'), false, 3_600_000)).toBe(false)
    expect(trials.isSteering).toBe(true)
  })

  it('that carried nothing leaves the lane alone', () => {
    const trials = steering()
    for (let now = 0; now <= 10_000; now += 1_000) trials.onSample(sampleOf('tcp'), false, now)
    expect(trials.onSample(sampleOf('tcp'), false, 10_500)).toBe(true)
    expect(trials.leftAlone('h3', 10_500)?.because).toBe('its last trial carried no request')
  })

  it('whose connections do not open is given up', () => {
    const trials = new LaneTrials(0.02, 10)
    trials.begin('h3', 'learning', 1, 0)
    let now = 0
    while (!trials.onSample(sampleOf('tcp'), false, now)) now += 1_000
    expect(now).toBe(31_000)
    expect(trials.leftAlone('h3', now)?.because).toBe('no connection was made in time')
    trials.begin('tcp', 'learning', 1, now)
    expect(trials.onUnavailable('h3', 'refused', now)).toBe(false)
    expect(trials.onUnavailable('tcp', 'refused', now)).toBe(true)
    expect(trials.leftAlone('tcp', now)?.because).toBe('refused')
  })

  it('excludes another trial at the same time', () => {
    expect(() => steering().begin('tcp', 'learning', 1, 0)).toThrow(/while another one/)
  })
})

describe('the cost of trials', () => {
  it('is four blocks for learning, however they are spent', () => {
    const trials = new LaneTrials(0.02, 10)
    expect(trials.learningBlocks).toBe(4)
    for (let block = 4; block > 0; block -= 1) {
      trials.begin('h3', 'learning', 1, 0)
      trials.onReady('h3', 0)
      takes(trials, 20)
      trials.cancel()
      expect(trials.learningBlocks).toBe(block - 1)
    }
    trials.startOver()
    expect(trials.learningBlocks).toBe(4)
  })

  it('is one block for exploring at first, and its share of all requests later', () => {
    const trials = new LaneTrials(0.02, 10)
    expect([trials.mayVerify(1), trials.mayExplore('h3', 1)]).toEqual([true, false])
    takes(trials, 499)
    expect(trials.mayExplore('h3', 1)).toBe(false)
    takes(trials, 2)
    expect(trials.mayExplore('h3', 1)).toBe(true)
    trials.begin('h3', 'exploring', 1, 0)
    trials.onReady('h3', 0)
    expect(takes(trials, 10)).toBe(10)
    trials.cancel()
    expect([trials.mayVerify(1), trials.mayExplore('h3', 1)]).toEqual([true, false])
  })

  it('makes a lane that takes ten times as long be explored a tenth as often', () => {
    const trials = new LaneTrials(0.02, 10)
    takes(trials, 4_900)
    expect(trials.mayExplore('h3', 10)).toBe(false)
    takes(trials, 101)
    expect(trials.mayExplore('h3', 10)).toBe(true)
    trials.begin('h3', 'exploring', 10, 0)
    trials.onReady('h3', 0)
    takes(trials, 10)
    trials.cancel()
    expect([trials.mayVerify(1), trials.mayVerify(1.1)]).toEqual([true, false])
  })

  it('is zero where the share is 0', () => {
    const trials = new LaneTrials(0, 10)
    expect([trials.learningBlocks, trials.isAllowed('h3', 0)]).toEqual([0, false])
    takes(trials, 100_000)
    expect(trials.mayExplore('h3', 1)).toBe(false)
  })
})
