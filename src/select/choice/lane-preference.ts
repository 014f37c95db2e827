import type { SelectOptions } from '../../base/options/select-options.ts'
import { COST_TIE } from './lane-score.ts'
import type { MeasuredSnapshot } from './lane-snapshot.ts'

export type PolicyOptions = Pick<SelectOptions, 'policy' | 'minGain'>

/**
 * What one lane costs beside another. Small differences are none; a risk is worth more than CPU, as long as
 * only time is thought of first.
 */
export type CostRelation = 'cheaper' | 'same' | 'dearer'

/** `efficiency` takes what is cheaper while requests take no more than this many times as long. */
const EFFICIENT_TIMES = 2
/** One in twenty is further off by chance, to one side. */
const NOISE_ERRORS = 1
/** And for what is surely cheaper, and only must not be much slower. */
const CHEAP_NOISE_ERRORS = 1
/**
 * What stands losses gives way to what does not when that is faster for sure: a few slow requests over QUIC
 * mean losses, which TCP would not like better.
 */
const SAFE_ERRORS = 3
/**
 * Fewer have a standard error that means nothing: a process that has just begun is slow with its first
 * requests, whatever carries them.
 */
const CONCLUSIVE_SAMPLES = 6
/** Two figures so many standard errors apart need no more measuring. */
const CONCLUSIVE_ERRORS = 2

/**
 * A lane that is slower than this by three samples or more, and slow start on top of that, need not be tried
 * to the end, nor again.
 */
const HOPELESS_TIMES = 1.5
const HOPELESS_SAMPLES = 3
/** From ten packets on a window grows to a megabyte in so many round trips. */
const SLOW_START_ROUNDS = 7

/**
 * Small windows, and what was predicted from them, explain this much: a lane that had no others yet is not
 * judged by less.
 */
const COLD_TIMES = 4

interface Costs {
  readonly cost: number
  readonly isRisky: boolean
}

export function costRelation(
  of: Costs,
  beside: Costs,
  { policy }: Pick<PolicyOptions, 'policy'>,
): CostRelation {
  if (policy === 'auto' && of.isRisky !== beside.isRisky) return of.isRisky ? 'dearer' : 'cheaper'
  if (of.cost * COST_TIE < beside.cost) return 'cheaper'
  return of.cost > beside.cost * COST_TIE ? 'dearer' : 'same'
}

/**
 * Of all measured lanes, the one that the policy likes best. Ordered rules:
 * 1. `latency`: the fastest;
 * 2. `auto`, where packets may get lost: those that stand it, if one of them is not slower than the fastest
 *    by minGain and beyond chance;
 * 3. the cheapest among those that are not much slower than the fastest (`auto`: by minGain; `efficiency`:
 *    twice);
 * 4. where several cost the same: `incumbent`, if it is one of them, else the fastest of them.
 */
export function policyBest(
  snapshots: readonly [MeasuredSnapshot, ...MeasuredSnapshot[]],
  incumbent: MeasuredSnapshot | undefined,
  policyOptions: PolicyOptions,
): MeasuredSnapshot {
  const { policy, minGain } = policyOptions
  const fastest = fastestOf(snapshots)
  if (policy === 'latency') return fastest // 1
  if (policy === 'auto' && fastest.isRisky) {
    const [safe, ...others] = snapshots.filter(
      one =>
        !one.isRisky &&
        one.prediction.ms * (1 - minGain) - fastest.prediction.ms <=
          SAFE_ERRORS * combinedError(one, fastest),
    )
    if (safe !== undefined) return policyBest([safe, ...others], incumbent, policyOptions) // 2
  }
  const slowestMs =
    policy === 'auto' ? fastest.prediction.ms / (1 - minGain) : fastest.prediction.ms * EFFICIENT_TIMES
  const near = snapshots.filter(
    ({ prediction, isRisky }) =>
      prediction.ms <= slowestMs && (policy !== 'auto' || !isRisky || fastest.isRisky),
  )
  const least = Math.min(...near.map(({ cost }) => cost))
  const cheap = near.filter(({ cost }) => cost <= least * COST_TIE) // 3
  if (incumbent !== undefined && cheap.includes(incumbent)) return incumbent // 4
  const [first, ...others] = cheap
  return first === undefined ? fastest : fastestOf([first, ...others])
}

export function fastestOf(snapshots: readonly [MeasuredSnapshot, ...MeasuredSnapshot[]]): MeasuredSnapshot {
  return snapshots.reduce((best, next) => (next.prediction.ms < best.prediction.ms ? next : best))
}

/**
 * Times the incumbent's time: what a lane must stay below to be liked better, had none of them carried
 * before.
 */
function choiceFactor(relation: CostRelation, { policy, minGain }: PolicyOptions): number {
  if (policy === 'latency' || relation === 'same') return 1
  if (policy === 'auto') return relation === 'dearer' ? 1 - minGain : 1 / (1 - minGain)
  return relation === 'dearer' ? 1 / EFFICIENT_TIMES : EFFICIENT_TIMES
}

/**
 * The same for taking the place of a lane that carries. What is dearer must gain more than the bound before
 * it is taken, and is left when less than half of that is left, so that a lane at the bound is not taken and
 * left in turns.
 */
export function changeFactor(relation: CostRelation, policyOptions: PolicyOptions): number {
  const { policy, minGain } = policyOptions
  if (policy === 'latency' || relation === 'same') return 1 - minGain
  if (policy === 'auto') return relation === 'dearer' ? 1 - minGain : 1 / (1 - minGain / 2)
  return choiceFactor(relation, policyOptions) * (relation === 'dearer' ? 1 - minGain : 1 - minGain / 2)
}

/** `challenger` is better than what carries by more than the bound, and by more than chance explains. */
export function contends(
  challenger: MeasuredSnapshot,
  incumbent: MeasuredSnapshot,
  policyOptions: PolicyOptions,
): boolean {
  const relation = costRelation(challenger, incumbent, policyOptions)
  const { ms } = challenger.prediction
  if (ms > incumbent.prediction.ms * changeFactor(relation, policyOptions)) return false
  const isCheap = relation === 'cheaper' && policyOptions.policy !== 'latency'
  // A gain of a tenth is the bound for people; chance must not explain that there is one at all.
  const anchor =
    policyOptions.policy === 'auto' && relation === 'dearer' ? 1 : choiceFactor(relation, policyOptions)
  const isRisk = policyOptions.policy === 'auto' && challenger.isRisky && !incumbent.isRisky
  const errors = isCheap ? CHEAP_NOISE_ERRORS : isRisk ? SAFE_ERRORS : NOISE_ERRORS
  return incumbent.prediction.ms * anchor - ms >= errors * combinedError(challenger, incumbent)
}

/** More measuring would hardly change which of the two is liked better. */
export function isConclusive(
  one: MeasuredSnapshot,
  incumbent: MeasuredSnapshot,
  policyOptions: PolicyOptions,
): boolean {
  const samples = Math.min(one.estimates.ttfb.samples, incumbent.estimates.ttfb.samples)
  if (samples < CONCLUSIVE_SAMPLES) return false
  if (!incumbent.estimates.isWarm && incumbent.prediction.ms < one.prediction.ms * COLD_TIMES) return false
  const bound =
    incumbent.prediction.ms * choiceFactor(costRelation(one, incumbent, policyOptions), policyOptions)
  const errors = one.isRisky === incumbent.isRisky ? CONCLUSIVE_ERRORS : SAFE_ERRORS
  return Math.abs(bound - one.prediction.ms) >= errors * combinedError(one, incumbent)
}

/** It is so much slower that no small windows and no chance explain it. */
export function isHopeless(one: MeasuredSnapshot, incumbent: MeasuredSnapshot): boolean {
  const [mine, theirs] = [one.estimates.ttfb, incumbent.estimates.ttfb]
  if (mine.samples < HOPELESS_SAMPLES) return false
  const roundTripMs = Math.min(mine.mean, theirs.mean)
  return one.prediction.ms > incumbent.prediction.ms * HOPELESS_TIMES + SLOW_START_ROUNDS * roundTripMs
}

function combinedError(one: MeasuredSnapshot, other: MeasuredSnapshot): number {
  return Math.hypot(one.prediction.errorMs, other.prediction.errorMs)
}
