import type { DecisionRule } from '../../base/events/decision.ts'
import type { LaneName } from '../../base/http/lane.ts'
import { percent } from './decision-figures.ts'
import { choiceReason, takingReason } from './decision-reason.ts'
import { contends, isConclusive, isHopeless, policyBest, type Taste } from './lane-preference.ts'
import { isComparable, type LaneStanding, type MeasuredStanding } from './lane-standing.ts'

export interface Verdict {
  readonly lane: LaneName
  readonly rule: DecisionRule
  /** In words. Built when somebody reads it: most verdicts change nothing. */
  readonly because: () => string
}

export interface Ballot {
  readonly standings: readonly LaneStanding[]
  /** What carries now. Undefined: nothing was decided yet. */
  readonly incumbent: LaneName | undefined
  /** The order while nothing is measured. */
  readonly preference: readonly LaneName[]
  readonly taste: Taste
  readonly sustainMs: number
  /**
   * - `learning`: trials are to come; only what is beyond doubt is taken before.
   * - `first-choice`: they are over just now: the policy's best is taken.
   * - `settled`: a change takes a gain that lasts.
   */
  readonly phase: 'learning' | 'first-choice' | 'settled'
  /**
   * A connection of what carries has been opened: requests go over it, though none has told yet how it was.
   */
  readonly isCarrying: boolean
  /** A trial of this lane is under way: the first few of its requests look conclusive too often. */
  readonly tried: LaneName | undefined
  /** While learning: what carries was not measured since this one was, which looks better. */
  readonly mustWait: (rival: MeasuredStanding, current: MeasuredStanding) => boolean
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
export function decideLane(ballot: Ballot): Verdict {
  const { standings, taste, preference, phase } = ballot
  const eligible = standings.filter(({ isEligible }) => isEligible)
  const [only] = eligible
  if (only === undefined || eligible.length === 1) return onlyCandidate(only, standings) // 1
  const current = eligible.find(({ lane }) => lane === ballot.incumbent)
  const healthy = eligible.filter(({ isFailing }) => !isFailing)
  const [first, ...others] = healthy.filter(isComparable)
  if (current?.isFailing === true) {
    const next =
      first === undefined ? preferred(healthy, preference) : policyBest([first, ...others], undefined, taste)
    if (next === undefined) return verdict(current, 'kept', () => `${failing(current)}, and so does the rest`)
    return verdict(next, 'failing', () => `${failing(current)}; ${next.lane} is healthy`) // 2
  }
  if (first === undefined) {
    if (current !== undefined && ballot.isCarrying)
      return verdict(current, 'unmeasured', () => `nothing was measured yet, and ${current.lane} carries`) // 3
    const next = preferred(healthy, preference) ?? only
    return verdict(next, 'unmeasured', () => `nothing was measured yet, and ${next.lane} comes first`) // 3
  }
  const measured = [first, ...others] as const
  if (current === undefined) {
    const next = policyBest(measured, undefined, taste)
    const { rule, because } = choiceReason(next, measured, undefined, ballot)
    return verdict(next, rule, () => `${gone(ballot)}${because()}`) // 4
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
    const next = policyBest(measured, current, taste)
    return { lane: next.lane, ...choiceReason(next, measured, current, ballot) } // 6
  }
  const [winner, ...winners] = rivals.filter(rival =>
    phase === 'learning'
      ? (rival.lane !== ballot.tried || isHopeless(current, rival)) &&
        isConclusive(rival, current, taste) &&
        !ballot.mustWait(rival, current) &&
        policyBest([current, rival], current, taste) === rival &&
        policyBest(measured, undefined, taste) === rival
      : contends(rival, current, taste) && ballot.holds(rival.lane) === undefined,
  )
  if (winner !== undefined) {
    const next = policyBest([winner, ...winners], undefined, taste)
    return { lane: next.lane, ...takingReason(next, current, ballot) } // 7
  }
  return { lane: current.lane, ...choiceReason(current, measured, current, ballot) } // 8
}

function verdict({ lane }: LaneStanding, rule: DecisionRule, because: () => string): Verdict {
  return { lane, rule, because }
}

function onlyCandidate(only: LaneStanding | undefined, standings: readonly LaneStanding[]): Verdict {
  const lane = only?.lane ?? LAST_RESORT
  const what = only === undefined ? 'no lane may carry requests' : 'no other lane may carry requests'
  const because = (): string => {
    const others = standings.filter(({ lane }) => lane !== only?.lane)
    const reasons = others.map(({ lane, because }) => `${lane}: ${because}`).join('; ')
    return reasons === '' ? what : `${what} (${reasons})`
  }
  return { lane, rule: 'only-candidate', because }
}

/** The one that carries is the only one with figures, or the only healthy one of them. */
function alone(current: MeasuredStanding, eligible: readonly LaneStanding[]): Verdict {
  const failed = eligible.find(({ isFailing }) => isFailing)
  if (failed !== undefined)
    return verdict(current, 'failing', () => `${failing(failed)}; ${current.lane} is healthy`)
  return verdict(current, 'unmeasured', () => 'no other lane was measured yet')
}

function gone({ incumbent, standings }: Ballot): string {
  if (incumbent === undefined) return ''
  const because = standings.find(({ lane }) => lane === incumbent)?.because ?? 'no candidate any more'
  return `${incumbent} may not carry (${because}); `
}

function failing({ lane, estimates }: LaneStanding): string {
  return `${percent(estimates.errors.mean)} of requests over ${lane} failed`
}

function preferred(
  standings: readonly LaneStanding[],
  preference: readonly LaneName[],
): LaneStanding | undefined {
  for (const lane of preference) {
    const found = standings.find(standing => standing.lane === lane)
    if (found !== undefined) return found
  }
  return standings[0]
}
