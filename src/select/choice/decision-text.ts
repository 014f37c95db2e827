import type { Decision, DecisionCandidate } from '../../base/events/decision.ts'
import type { Verdict } from './decide-lane.ts'
import { age, ms, percent, rate, times } from './decision-reason.ts'
import { changeFactor, costRelation, type PolicyOptions } from './lane-preference.ts'
import { goodput, isCpuMeasured, LARGE_TEXT, priorCost } from './lane-score.ts'
import { isComparable, type LaneSnapshot } from './lane-snapshot.ts'
import type { TrialWorth } from './trial-plan.ts'

/** What the trials of a lane have to say of it. */
export interface TrialNote {
  /** How the one that is under way stands. */
  readonly progress: string | undefined
  readonly leftAlone: { readonly because: string; readonly forMs: number } | undefined
  /** Why it deserves a trial, or does not. */
  readonly worth: TrialWorth
  /** What still keeps a lane that looks better from being taken. */
  readonly held: string | undefined
  /** Trials are made at all (`exploreShare` above 0). */
  readonly areMade: boolean
}

/** A verdict with everything that it was based on, in words. */
export function decisionOf(
  { lane, rule, because }: Verdict,
  snapshots: readonly LaneSnapshot[],
  noteOf: (snapshot: LaneSnapshot) => TrialNote,
  policyOptions: PolicyOptions,
  now: number,
): Decision {
  const current = snapshots.find(snapshot => snapshot.lane === lane)
  return {
    at: now,
    lane,
    rule,
    because: because(),
    candidates: snapshots.map(snapshot => decisionCandidate(snapshot, noteOf(snapshot), now)),
    wouldChange: current === undefined ? [] : wouldChange(current, snapshots, noteOf, policyOptions),
  }
}

/** A candidate with everything that speaks for or against it, in words. */
function decisionCandidate(snapshot: LaneSnapshot, note: TrialNote, now: number): DecisionCandidate {
  const { lane, protocol, isEligible, because, estimates, prediction } = snapshot
  return {
    lane,
    protocol,
    isEligible,
    because,
    evidence: evidence(snapshot, note, now),
    predictedMs: prediction?.ms,
    cpuMs: isCpuMeasured(estimates, now) ? estimates.cpu.mean : undefined,
  }
}

/** Most telling first. */
function evidence(snapshot: LaneSnapshot, note: TrialNote, now: number): readonly string[] {
  const { estimates, prediction, lane, protocol } = snapshot
  const { ttfb, errors, stallShare, handshake, rtt, loss, cpu } = estimates
  const lines: string[] = []
  const counted = (samples: number, at: number): string =>
    `(${samples} ${samples === 1 ? 'sample' : 'samples'}, last ${age(now - at)} ago)`
  if (ttfb.samples > 0) {
    const spread = ttfb.samples > 1 ? ` ± ${ms(ttfb.deviation)}` : ''
    lines.push(`first byte after ${ms(ttfb.mean)}${spread} ${counted(ttfb.samples, ttfb.at)}`)
    if (estimates.isStale(now)) lines.push('too old to go by')
  }
  const speed = goodput(estimates)
  if (speed !== undefined)
    lines.push(
      `${rate(speed)} on a connection ${counted(estimates.msPerByte.samples, estimates.msPerByte.at)}`,
    )
  if (prediction?.isBorrowed === true)
    lines.push(`no response above ${LARGE_TEXT} went over it yet: counted as over the others`)
  if (errors.mean > 0) lines.push(`${percent(errors.mean)} of requests failed`)
  if (stallShare.mean > 0) lines.push(`${percent(stallShare.mean)} of its time data waited behind a gap`)
  if (rtt.samples > 0) lines.push(`round trip ${ms(rtt.mean)}`)
  if (loss.samples > 0) lines.push(`${percent(loss.mean)} of packets lost`)
  if (handshake.samples > 0) lines.push(`handshake ${ms(handshake.mean)}`)
  if (isCpuMeasured(estimates, now)) lines.push(`CPU ${ms(cpu.mean)} a request`)
  else lines.push(`CPU not measured: counted as ${times(priorCost(lane, protocol))} times that of HTTP/1.1`)
  if (note.progress !== undefined) lines.push(note.progress)
  if (note.leftAlone !== undefined)
    lines.push(`not tried for ${age(note.leftAlone.forMs)}: ${note.leftAlone.because}`)
  else if (lane !== 'tcp' && lane !== 'h3') lines.push(note.worth.because())
  return lines
}

/** What would make another lane carry. Figures are those of now. */
function wouldChange(
  current: LaneSnapshot,
  snapshots: readonly LaneSnapshot[],
  noteOf: (snapshot: LaneSnapshot) => TrialNote,
  policyOptions: PolicyOptions,
): readonly string[] {
  const lines: string[] = []
  for (const snapshot of snapshots) {
    if (snapshot.lane === current.lane) continue
    lines.push(...oneChange(snapshot, current, noteOf(snapshot), policyOptions))
  }
  return lines
}

function oneChange(
  snapshot: LaneSnapshot,
  current: LaneSnapshot,
  note: TrialNote,
  policyOptions: PolicyOptions,
): readonly string[] {
  const { lane, because, isEligible, isFailing, estimates } = snapshot
  if (!isEligible) return [`${lane} would be a candidate if it might carry requests: ${because}`]
  if (isFailing)
    return [
      `${lane} would be thought of again after a trial that goes well: ${percent(estimates.errors.mean)} failed`,
    ]
  if (!isComparable(snapshot)) {
    const what =
      snapshot.estimates.ttfb.samples === 0
        ? `no request went over ${lane} yet`
        : `too little is known of ${lane}`
    return [`a measurement: ${what}${hindrance(note)}`]
  }
  if (!isComparable(current)) return [`a measurement of ${current.lane}, which ${lane} can be compared with`]
  const boundMs =
    current.prediction.ms * changeFactor(costRelation(snapshot, current, policyOptions), policyOptions)
  const nowMs = snapshot.prediction.ms
  if (nowMs > boundMs)
    return [`${lane} would be taken if its requests took less than ${ms(boundMs)} (${ms(nowMs)} now)`]
  return [
    `${lane} looks better (${ms(nowMs)}, to be below ${ms(boundMs)}): ${note.held ?? 'it is taken when trials are over'}`,
  ]
}

function hindrance(note: TrialNote): string {
  if (note.progress !== undefined) return ` (${note.progress})`
  if (!note.areMade) return ' (select.exploreShare is 0: nothing is tried)'
  if (note.leftAlone !== undefined)
    return ` (not tried for ${age(note.leftAlone.forMs)}: ${note.leftAlone.because})`
  return note.worth.isWorth ? '' : ` (${note.worth.because()})`
}
