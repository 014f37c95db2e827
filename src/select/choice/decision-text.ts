import type { Decision, DecisionCandidate } from '../../base/events/decision.ts'
import type { Verdict } from './decide-lane.ts'
import { age, ms, percent, rate, times } from './decision-figures.ts'
import { isCpuMeasured, priorCost } from './lane-cost.ts'
import { changeFactor, costRelation, type Taste } from './lane-preference.ts'
import { goodput, LARGE_TEXT } from './lane-score.ts'
import { isComparable, type LaneStanding } from './lane-standing.ts'
import type { TrialWorth } from './trial-worth.ts'

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
  standings: readonly LaneStanding[],
  noteOf: (standing: LaneStanding) => TrialNote,
  taste: Taste,
  now: number,
): Decision {
  const current = standings.find(standing => standing.lane === lane)
  return {
    at: now,
    lane,
    rule,
    because: because(),
    candidates: standings.map(standing => decisionCandidate(standing, noteOf(standing), now)),
    wouldChange: current === undefined ? [] : wouldChange(current, standings, noteOf, taste),
  }
}

/** A candidate with everything that speaks for or against it, in words. */
function decisionCandidate(standing: LaneStanding, note: TrialNote, now: number): DecisionCandidate {
  const { lane, protocol, isEligible, because, estimates, prediction } = standing
  return {
    lane,
    protocol,
    isEligible,
    because,
    evidence: evidence(standing, note, now),
    predictedMs: prediction?.ms,
    cpuMs: isCpuMeasured(estimates, now) ? estimates.cpu.mean : undefined,
  }
}

/** Most telling first. */
function evidence(standing: LaneStanding, note: TrialNote, now: number): readonly string[] {
  const { estimates, prediction, lane, protocol } = standing
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
  current: LaneStanding,
  standings: readonly LaneStanding[],
  noteOf: (standing: LaneStanding) => TrialNote,
  taste: Taste,
): readonly string[] {
  const lines: string[] = []
  for (const standing of standings) {
    if (standing.lane === current.lane) continue
    lines.push(...oneChange(standing, current, noteOf(standing), taste))
  }
  return lines
}

function oneChange(
  standing: LaneStanding,
  current: LaneStanding,
  note: TrialNote,
  taste: Taste,
): readonly string[] {
  const { lane, because, isEligible, isFailing, estimates } = standing
  if (!isEligible) return [`${lane} would be a candidate if it might carry requests: ${because}`]
  if (isFailing)
    return [
      `${lane} would be thought of again after a trial that goes well: ${percent(estimates.errors.mean)} failed`,
    ]
  if (!isComparable(standing)) {
    const what =
      standing.estimates.ttfb.samples === 0
        ? `no request went over ${lane} yet`
        : `too little is known of ${lane}`
    return [`a measurement: ${what}${hindrance(note)}`]
  }
  if (!isComparable(current)) return [`a measurement of ${current.lane}, which ${lane} can be compared with`]
  const boundMs = current.prediction.ms * changeFactor(costRelation(standing, current, taste), taste)
  const nowMs = standing.prediction.ms
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
