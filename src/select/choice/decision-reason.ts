import type { DecisionRule } from '../../base/events/decision.ts'
import type { LaneName } from '../../base/http/lane.ts'
import { age, ms, percent, times } from './decision-figures.ts'
import { contends, costRelation, fastestOf, type Taste } from './lane-preference.ts'
import type { MeasuredStanding } from './lane-standing.ts'

interface Reason {
  readonly rule: DecisionRule
  readonly because: () => string
}

interface Terms {
  readonly taste: Taste
  readonly sustainMs: number
  readonly phase: 'learning' | 'first-choice' | 'settled'
  readonly holds: (lane: LaneName) => string | undefined
}

/** Why `next` takes the place of `current`. */
export function takingReason(next: MeasuredStanding, current: MeasuredStanding, terms: Terms): Reason {
  const isFaster = next.prediction.ms < current.prediction.ms
  const isCheaper = terms.taste.policy !== 'latency' && costRelation(next, current, terms.taste) === 'cheaper'
  const lasting = (): string => (terms.phase === 'settled' ? `, for at least ${age(terms.sustainMs)}` : '')
  if (isCheaper)
    return {
      rule: cheapRule(next, current, terms.taste),
      because: () => `${advantage(next, current, terms.taste)}; ${compared(next, current)}${lasting()}`,
    }
  return { rule: isFaster ? 'faster' : 'kept', because: () => `${compared(next, current)}${lasting()}` }
}

/**
 * Why `lane`, of all that were measured, carries. Ordered rules:
 * 1. the fastest, where only time counts, or by more than the bound;
 * 2. what is faster is not so by more than the bound, and costs more or suffers more from losses;
 * 3. what took another one's place without either, did so by what it is in relation to that;
 * 4. what is better is held off for now;
 * 5. nothing is better by more than the bound.
 */
export function choiceReason(
  lane: MeasuredStanding,
  measured: readonly MeasuredStanding[],
  incumbent: MeasuredStanding | undefined,
  terms: Terms,
): Reason {
  const { taste, phase } = terms
  const [first, ...others] = measured.filter(other => other.lane !== lane.lane)
  if (first === undefined)
    return { rule: 'unmeasured', because: () => `${lane.lane} is the only other one that was measured` }
  const rival = fastestOf([first, ...others])
  const share = taste.policy === 'latency' ? 1 : 1 - taste.minGain
  if (lane.prediction.ms <= rival.prediction.ms * share)
    return { rule: 'faster', because: () => compared(lane, rival) } // 1
  const isContended = contends(rival, lane, taste)
  if (taste.policy !== 'latency' && costRelation(rival, lane, taste) === 'dearer' && !isContended)
    return {
      rule: cheapRule(lane, rival, taste),
      because: () => `${advantage(lane, rival, taste)}; ${compared(lane, rival)}`,
    } // 2
  if (incumbent !== undefined && lane.lane !== incumbent.lane) return takingReason(lane, incumbent, terms) // 3
  const challenger = measured.find(other => other.lane !== lane.lane && contends(other, lane, taste))
  if (challenger !== undefined) {
    const held = (): string =>
      (phase === 'settled' ? terms.holds(challenger.lane) : 'more requests have to show it first') ??
      'it is too early'
    return { rule: 'kept', because: () => `${compared(challenger, lane)}, but ${held()}` } // 4
  }
  return {
    rule: 'kept',
    because: () =>
      `nothing is better by more than ${percent(taste.minGain)} and by more than chance: ${compared(rival, lane)}`,
  } // 5
}

/** `h3 takes 42.1 ms, 30 % less than tcp (60.2 ms)` */
function compared(one: MeasuredStanding, other: MeasuredStanding): string {
  const [mine, theirs] = [one.prediction.ms, other.prediction.ms]
  const beside = `${other.lane} (${ms(theirs)})`
  if (mine === theirs) return `${one.lane} takes ${ms(mine)}, as long as ${beside}`
  const share = percent(Math.abs(1 - mine / Math.max(theirs, Number.MIN_VALUE)))
  return `${one.lane} takes ${ms(mine)}, ${share} ${mine < theirs ? 'less' : 'more'} than ${beside}`
}

function isSafer(one: MeasuredStanding, other: MeasuredStanding, { policy }: Taste): boolean {
  return policy === 'auto' && !one.isRisky && other.isRisky
}

function cheapRule(one: MeasuredStanding, other: MeasuredStanding, taste: Taste): DecisionRule {
  return isSafer(one, other, taste) ? 'safer' : 'cheaper'
}

function advantage(one: MeasuredStanding, other: MeasuredStanding, taste: Taste): string {
  if (!isSafer(one, other, taste)) return cheapness(one, other)
  return `nothing says that no packets are lost, for which small responses over ${other.lane} would wait longer`
}

function cheapness(one: MeasuredStanding, other: MeasuredStanding): string {
  const ratio = other.cost / one.cost
  return ratio > 1
    ? `${other.lane} costs ${times(ratio)} times the CPU of ${one.lane}`
    : `${one.lane} costs ${times(1 / ratio)} times the CPU of ${other.lane}`
}
