import type { DecisionRule } from '../../base/events/decision.ts'
import type { LaneName } from '../../base/http/protocol.ts'
import { choiceReason, percent, takingReason } from './decision-reason.ts'
import { contends, isConclusive, isHopeless, type PolicyOptions, policyBest } from './lane-preference.ts'
import { isComparable, type LaneSnapshot, type MeasuredSnapshot } from './lane-snapshot.ts'

export interface Verdict {
  readonly lane: LaneName
  readonly rule: DecisionRule
  /** In words. Built when somebody reads it: most verdicts change nothing. */
  readonly because: () => string
}

export interface DecisionInput {
  readonly snapshots: readonly LaneSnapshot[]
  /** What carries now. Undefined: nothing was decided yet. */
  readonly incumbent: LaneName | undefined
  /** The order while nothing is measured. */
  readonly preference: readonly LaneName[]
  readonly policyOptions: PolicyOptions
  readonly sustainMs: number
  /**
   * - `learning`: trials are to come; only what is beyond doubt is taken before.
   * - `first-choice`: they are over just now: the policy's best is taken.
   * - `settled`: a change takes a gain that lasts.
   */
  readonly phase: 'learning' | 'first-choice' | 'settled'
  /**
   * A connection of what carries has been opened: requests go over it, though none has reported yet how it
   * was.
   */
  readonly isCarrying: boolean
  /** A trial of this lane is under way: the first few of its requests look conclusive too often. */
  readonly tried: LaneName | undefined
  /** While learning: what carries was not measured since this one was, which looks better. */
  readonly mustWait: (rival: MeasuredSnapshot, current: MeasuredSnapshot) => boolean
  /** What keeps a challenger from being taken; undefined: nothing. Asked when settled. */
  readonly holds: (lane: LaneName) => string | undefined
}

/**
 * The lane that every origin has: where requests go when none may carry them, so that they fail with a
 * reason.
 */
export const LAST_RESORT: LaneName = 'tcp'

/**
 * Which lane carries an origin's requests. Ordered rules; the first that applies decides:
 * 1. none may, or only one;
 * 2. the one that carries fails, and another one does not;
 * 3. none was measured: what carries goes on, once it has a connection; before that the first by preference;
 * 4. the one that carried may not any more: the policy's best of those that were measured;
 * 5. the one that carries was not measured yet, or is the only one that was: it goes on. A lane without
 *    figures never takes the place of one with figures before its trial;
 * 6. learning is over just now: the policy's best;
 * 7. a better one: while learning, not in the middle of its trial unless it is plain, by twice the standard
 *    error, and measured in turns (turns.ts); later by the bound, beyond chance, for long enough, and shown
 *    twice;
 * 8. else what carries goes on.
 */
export function decideLane(input: DecisionInput): Verdict {
  const { snapshots, policyOptions, preference, phase } = input
  const eligible = snapshots.filter(({ isEligible }) => isEligible)
  const [only] = eligible
  if (only === undefined || eligible.length === 1) return onlyCandidate(only, snapshots) // 1
  const current = eligible.find(({ lane }) => lane === input.incumbent)
  const healthy = eligible.filter(({ isFailing }) => !isFailing)
  const [first, ...others] = healthy.filter(isComparable)
  if (current?.isFailing === true) {
    const next =
      first === undefined
        ? preferred(healthy, preference)
        : policyBest([first, ...others], undefined, policyOptions)
    if (next === undefined) return verdict(current, 'kept', () => `${failing(current)}, and so does the rest`)
    return verdict(next, 'failing', () => `${failing(current)}; ${next.lane} is healthy`) // 2
  }
  if (first === undefined) {
    if (current !== undefined && input.isCarrying)
      return verdict(current, 'unmeasured', () => `nothing was measured yet, and ${current.lane} carries`) // 3
    const next = preferred(healthy, preference) ?? only
    return verdict(next, 'unmeasured', () => `nothing was measured yet, and ${next.lane} comes first`) // 3
  }
  const measured = [first, ...others] as const
  if (current === undefined) {
    const next = policyBest(measured, undefined, policyOptions)
    const { rule, because } = choiceReason(next, measured, undefined, input)
    return verdict(next, rule, () => `${gone(input)}${because()}`) // 4
  }
  if (!isComparable(current))
    return verdict(
      current,
      'unmeasured',
      () => `${current.lane} has too few requests behind it to be compared`,
    ) // 5
  const rivals = measured.filter(({ lane }) => lane !== current.lane)
  if (rivals.length === 0) return alone(current, eligible) // 5
  if (phase === 'first-choice') {
    const next = policyBest(measured, current, policyOptions)
    return { lane: next.lane, ...choiceReason(next, measured, current, input) } // 6
  }
  const [winner, ...winners] = rivals.filter(rival =>
    phase === 'learning'
      ? (rival.lane !== input.tried || isHopeless(current, rival)) &&
        isConclusive(rival, current, policyOptions) &&
        !input.mustWait(rival, current) &&
        policyBest([current, rival], current, policyOptions) === rival &&
        policyBest(measured, undefined, policyOptions) === rival
      : contends(rival, current, policyOptions) && input.holds(rival.lane) === undefined,
  )
  if (winner !== undefined) {
    const next = policyBest([winner, ...winners], undefined, policyOptions)
    return { lane: next.lane, ...takingReason(next, current, input) } // 7
  }
  return { lane: current.lane, ...choiceReason(current, measured, current, input) } // 8
}

function verdict({ lane }: LaneSnapshot, rule: DecisionRule, because: () => string): Verdict {
  return { lane, rule, because }
}

function onlyCandidate(only: LaneSnapshot | undefined, snapshots: readonly LaneSnapshot[]): Verdict {
  const lane = only?.lane ?? LAST_RESORT
  if (snapshots.length === 0)
    return { lane, rule: 'only-candidate', because: () => 'nothing is known of the origin yet' }
  const what = only === undefined ? 'no lane may carry requests' : 'no other lane may carry requests'
  const because = (): string => {
    const others = snapshots.filter(({ lane }) => lane !== only?.lane)
    const reasons = others.map(({ lane, because }) => `${lane}: ${because}`).join('; ')
    return reasons === '' ? what : `${what} (${reasons})`
  }
  return { lane, rule: 'only-candidate', because }
}

/** The one that carries is the only one with figures, or the only healthy one of them. */
function alone(current: MeasuredSnapshot, eligible: readonly LaneSnapshot[]): Verdict {
  const failed = eligible.find(({ isFailing }) => isFailing)
  if (failed !== undefined)
    return verdict(current, 'failing', () => `${failing(failed)}; ${current.lane} is healthy`)
  return verdict(current, 'unmeasured', () => 'no other lane was measured yet')
}

function gone({ incumbent, snapshots }: DecisionInput): string {
  if (incumbent === undefined) return ''
  const because = snapshots.find(({ lane }) => lane === incumbent)?.because ?? 'no candidate any more'
  return `${incumbent} may not carry (${because}); `
}

function failing({ lane, estimates }: LaneSnapshot): string {
  return `${percent(estimates.errors.mean)} of requests over ${lane} failed`
}

function preferred(
  snapshots: readonly LaneSnapshot[],
  preference: readonly LaneName[],
): LaneSnapshot | undefined {
  for (const lane of preference) {
    const found = snapshots.find(snapshot => snapshot.lane === lane)
    if (found !== undefined) return found
  }
  return snapshots[0]
}
