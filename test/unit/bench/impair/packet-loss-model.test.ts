import { describe, expect, it } from 'vitest'
import type { Conditions } from '../../../../src/bench/impair/conditions.ts'
import {
  averageLoss,
  type Fate,
  fateSeed,
  PacketLossModel,
} from '../../../../src/bench/impair/packet-loss-model.ts'

function fatesOf(seed: number, conditions: Conditions, count: number): Fate[] {
  const stream = new PacketLossModel(seed)
  return Array.from({ length: count }, () => stream.next(conditions))
}

const lostOnes = (fates: readonly Fate[]): number[] =>
  fates.flatMap(({ kind }, i) => (kind === 'lost' ? [i] : []))

/** Lengths of the runs of lost packets. */
function runsOf(fates: readonly Fate[]): number[] {
  const runs: number[] = []
  let run = 0
  for (const { kind } of fates) {
    if (kind === 'lost') run++
    else if (run > 0) {
      runs.push(run)
      run = 0
    }
  }
  return runs
}

const mean = (values: readonly number[]): number => values.reduce((sum, v) => sum + v, 0) / values.length

describe('the packet loss model', () => {
  it('decides the same for the same seed, and something else for others', () => {
    const conditions = { lossRate: 0.1, jitterMs: 5, reorderRate: 0.1, duplicateRate: 0.1 }
    const fates = fatesOf(7, conditions, 1_000)
    expect(fatesOf(7, conditions, 1_000)).toEqual(fates)
    expect(lostOnes(fatesOf(8, conditions, 1_000))).not.toEqual(lostOnes(fates))
  })

  it('differs by direction and by connection', () => {
    const seeds = [
      fateSeed(1, 'toServer'),
      fateSeed(1, 'toClient'),
      fateSeed(1, 'toServer', 1),
      fateSeed(2, 'toServer'),
    ]
    const losses = seeds.map(seed => lostOnes(fatesOf(seed, { lossRate: 0.1 }, 500)).join())
    expect(new Set(losses).size).toBe(4)
  })

  it('loses the share that was asked for, one by one', () => {
    for (const lossRate of [0.01, 0.05, 0.5]) {
      for (const seed of [1, 2, 3]) {
        const fates = fatesOf(seed, { lossRate }, 20_000)
        const share = lostOnes(fates).length / fates.length
        // Five standard deviations.
        expect(Math.abs(share - lossRate)).toBeLessThan(5 * Math.sqrt((lossRate * (1 - lossRate)) / 20_000))
        // Independent losses come in runs of 1 / (1 - rate).
        expect(Math.abs(mean(runsOf(fates)) - 1 / (1 - lossRate))).toBeLessThan(0.1)
      }
    }
  })

  it('loses everything at a rate of 1, and nothing at 0', () => {
    expect(lostOnes(fatesOf(1, { lossRate: 1 }, 1_000))).toHaveLength(1_000)
    expect(lostOnes(fatesOf(1, { lossRate: 0 }, 1_000))).toHaveLength(0)
  })

  it('loses in bursts as long as the chance to leave says, and as much as the two states say', () => {
    const conditions = { bursts: { enterRate: 0.01, leaveRate: 0.2 } }
    const fates = fatesOf(3, conditions, 100_000)
    const runs = runsOf(fates)
    expect(Math.abs(mean(runs) - 5)).toBeLessThan(0.6)
    expect(runs.filter(run => run >= 10).length).toBeGreaterThan(runs.length / 20)
    const share = lostOnes(fates).length / fates.length
    expect(averageLoss(conditions)).toBeCloseTo(1 / 21, 6)
    expect(Math.abs(share - 1 / 21)).toBeLessThan(0.008)
    expect(fates.filter(fate => fate.kind === 'lost' && fate.because === 'chance')).toEqual([])
  })

  it('loses only a share within bursts, and by chance between them', () => {
    const conditions = { lossRate: 0.02, bursts: { enterRate: 0.05, leaveRate: 0.05, lossRate: 0.4 } }
    const fates = fatesOf(4, conditions, 50_000)
    expect(averageLoss(conditions)).toBeCloseTo(0.2 + 0.8 * 0.02, 6)
    expect(Math.abs(lostOnes(fates).length / fates.length - averageLoss(conditions))).toBeLessThan(0.015)
    const reasons = new Set(fates.map(fate => (fate.kind === 'lost' ? fate.because : '')))
    expect(reasons).toEqual(new Set(['', 'chance', 'burst']))
  })

  it('does not depend on what else is switched on', () => {
    const alone = lostOnes(fatesOf(5, { lossRate: 0.1 }, 2_000))
    const beside = { lossRate: 0.1, jitterMs: 9, reorderRate: 0.5, duplicateRate: 0.5 }
    expect(lostOnes(fatesOf(5, beside, 2_000))).toEqual(alone)
  })

  it('goes on with the next packet number when conditions change on the path', () => {
    const whole = lostOnes(fatesOf(6, { lossRate: 0.1 }, 2_000))
    const stream = new PacketLossModel(6)
    for (let i = 0; i < 1_000; i++) stream.next({})
    const later = Array.from({ length: 1_000 }, () => stream.next({ lossRate: 0.1 }))
    expect(lostOnes(later).map(i => i + 1_000)).toEqual(whole.filter(i => i >= 1_000))
  })

  it('applies jitter evenly, and holds back and duplicates the shares that were asked for', () => {
    const fates = fatesOf(9, { jitterMs: 10, reorderRate: 0.2, duplicateRate: 0.3 }, 20_000)
    const passing = fates.filter(fate => fate.kind === 'passes')
    const jitters = passing.map(({ jitterMs }) => jitterMs)
    expect(Math.min(...jitters)).toBeGreaterThanOrEqual(0)
    expect(Math.max(...jitters)).toBeLessThan(10)
    expect(Math.abs(mean(jitters) - 5)).toBeLessThan(0.1)
    expect(Math.abs(mean(passing.map(({ isLate }) => Number(isLate))) - 0.2)).toBeLessThan(0.015)
    expect(Math.abs(mean(passing.map(({ isDoubled }) => Number(isDoubled))) - 0.3)).toBeLessThan(0.017)
  })

  it('gives retransmissions the average loss of the path', () => {
    const stream = new PacketLossModel(2)
    const conditions = { bursts: { enterRate: 0.05, leaveRate: 0.2 } }
    const again = Array.from({ length: 20_000 }, () => Number(stream.isLostAgain(conditions)))
    expect(Math.abs(mean(again) - 0.2)).toBeLessThan(0.015)
  })
})
