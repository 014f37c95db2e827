import type { DecisionRule } from '../../base/events/decision.ts'
import type { LaneName } from '../../base/http/protocol.ts'
import { contends, costRelation, fastestOf, type PolicyOptions } from './lane-preference.ts'
import type { MeasuredSnapshot } from './lane-snapshot.ts'

interface Reason {
  readonly rule: DecisionRule
  readonly because: () => string
}

interface Terms {
  readonly policyOptions: PolicyOptions
  readonly sustainMs: number
  readonly phase: 'learning' | 'first-choice' | 'settled'
  readonly holds: (lane: LaneName) => string | undefined
}

/** Why `next` takes the place of `current`. */
export function takingReason(next: MeasuredSnapshot, current: MeasuredSnapshot, terms: Terms): Reason {
  const isFaster = next.prediction.ms < current.prediction.ms
  const isCheaper =
    terms.policyOptions.policy !== 'latency' && costRelation(next, current, terms.policyOptions) === 'cheaper'
  const lasting = (): string => (terms.phase === 'settled' ? `, for at least ${age(terms.sustainMs)}` : '')
  if (isCheaper)
    return {
      rule: cheapRule(next, current, terms.policyOptions),
      because: () =>
        `${advantage(next, current, terms.policyOptions)}; ${compared(next, current)}${lasting()}`,
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
  lane: MeasuredSnapshot,
  measured: readonly MeasuredSnapshot[],
  incumbent: MeasuredSnapshot | undefined,
  terms: Terms,
): Reason {
  const { policyOptions, phase } = terms
  const [first, ...others] = measured.filter(other => other.lane !== lane.lane)
  if (first === undefined)
    return { rule: 'unmeasured', because: () => `${lane.lane} is the only other one that was measured` }
  const rival = fastestOf([first, ...others])
  const share = policyOptions.policy === 'latency' ? 1 : 1 - policyOptions.minGain
  if (lane.prediction.ms <= rival.prediction.ms * share)
    return { rule: 'faster', because: () => compared(lane, rival) } // 1
  const isContended = contends(rival, lane, policyOptions)
  if (
    policyOptions.policy !== 'latency' &&
    costRelation(rival, lane, policyOptions) === 'dearer' &&
    !isContended
  )
    return {
      rule: cheapRule(lane, rival, policyOptions),
      because: () => `${advantage(lane, rival, policyOptions)}; ${compared(lane, rival)}`,
    } // 2
  if (incumbent !== undefined && lane.lane !== incumbent.lane) return takingReason(lane, incumbent, terms) // 3
  const challenger = measured.find(other => other.lane !== lane.lane && contends(other, lane, policyOptions))
  if (challenger !== undefined) {
    const held = (): string =>
      (phase === 'settled' ? terms.holds(challenger.lane) : 'more requests have to show it first') ??
      'it is too early'
    return { rule: 'kept', because: () => `${compared(challenger, lane)}, but ${held()}` } // 4
  }
  return {
    rule: 'kept',
    because: () =>
      `nothing is better by more than ${percent(policyOptions.minGain)} and by more than chance: ${compared(rival, lane)}`,
  } // 5
}

/** `h3 takes 42.1 ms, 30 % less than tcp (60.2 ms)` */
function compared(one: MeasuredSnapshot, other: MeasuredSnapshot): string {
  const [mine, theirs] = [one.prediction.ms, other.prediction.ms]
  const beside = `${other.lane} (${ms(theirs)})`
  if (mine === theirs) return `${one.lane} takes ${ms(mine)}, as long as ${beside}`
  const share = percent(Math.abs(1 - mine / Math.max(theirs, Number.MIN_VALUE)))
  return `${one.lane} takes ${ms(mine)}, ${share} ${mine < theirs ? 'less' : 'more'} than ${beside}`
}

function isSafer(one: MeasuredSnapshot, other: MeasuredSnapshot, { policy }: PolicyOptions): boolean {
  return policy === 'auto' && !one.isRisky && other.isRisky
}

function cheapRule(
  one: MeasuredSnapshot,
  other: MeasuredSnapshot,
  policyOptions: PolicyOptions,
): DecisionRule {
  return isSafer(one, other, policyOptions) ? 'safer' : 'cheaper'
}

function advantage(one: MeasuredSnapshot, other: MeasuredSnapshot, policyOptions: PolicyOptions): string {
  if (!isSafer(one, other, policyOptions)) return cheapness(one, other)
  return `nothing says that no packets are lost, for which small responses over ${other.lane} would wait longer`
}

function cheapness(one: MeasuredSnapshot, other: MeasuredSnapshot): string {
  const ratio = other.cost / one.cost
  return ratio > 1
    ? `${other.lane} costs ${times(ratio)} times the CPU of ${one.lane}`
    : `${one.lane} costs ${times(1 / ratio)} times the CPU of ${other.lane}`
}

/** `42.1 ms`, `0.12 ms`, `1230 ms`: three digits or so. */
export function ms(value: number): string {
  if (value >= 1000) return `${Math.round(value)} ms`
  if (value >= 10) return `${value.toFixed(1)} ms`
  return `${value.toFixed(value >= 0.1 || value === 0 ? 2 : 3)} ms`
}

/** `12 %`, `0.3 %` of a share between 0 and 1. */
export function percent(share: number): string {
  const value = share * 100
  return `${value >= 10 || value === 0 ? Math.round(value) : value.toFixed(value >= 0.1 ? 1 : 2)} %`
}

/** `1.3`, `12`: how many times as much. */
export function times(ratio: number): string {
  return ratio >= 10 ? String(Math.round(ratio)) : ratio.toFixed(1)
}

/** `3 s`, `12 min`, `5 h`. */
export function age(forMs: number): string {
  const seconds = Math.max(0, forMs) / 1000
  if (seconds < 10) return `${seconds.toFixed(1)} s`
  if (seconds < 120) return `${Math.round(seconds)} s`
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`
}

/** `12.3 MB/s` */
export function rate(bytesPerSecond: number): string {
  if (bytesPerSecond >= 1e6) return `${(bytesPerSecond / 1e6).toFixed(1)} MB/s`
  return `${(bytesPerSecond / 1e3).toFixed(1)} kB/s`
}
