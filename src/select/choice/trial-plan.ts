import type { LaneName } from '../../base/http/lane.ts'
import type { Challengers } from './challengers.ts'
import { isConclusive, isHopeless, type Taste } from './lane-preference.ts'
import { isComparable, type LaneStanding } from './lane-standing.ts'
import type { LaneTrials } from './lane-trials.ts'
import { trialWorth } from './trial-worth.ts'
import type { Turns } from './turns.ts'
import { MOSTLY, type Workload } from './workload.ts'

/** An HTTP/1.1 lane is tried with no more connections than that at once. */
const MAX_HTTP1_CONNECTIONS = 16

/** A lane to be tried next, and from which purse. */
export interface TrialPlan {
  readonly lane: LaneName
  readonly purse: 'learning' | 'exploring'
  readonly ratio: number
}

export interface TrialSituation {
  readonly standings: readonly LaneStanding[]
  readonly current: LaneStanding
  readonly workload: Workload
  readonly preference: readonly LaneName[]
  readonly taste: Taste
  /** Lanes of which a first choice took account. */
  readonly learned: ReadonlySet<LaneName>
  readonly trials: LaneTrials
  readonly turns: Turns
  readonly challengers: Challengers
}

/**
 * Lanes that learning still has to look at: unmeasured ones by preference first, then those that are too
 * close to what carries.
 */
export function lanesToLearn(situation: TrialSituation, now: number): readonly LaneStanding[] {
  const { current, taste, learned, turns, trials } = situation
  const open = triable(situation, now).filter(standing => {
    if (learned.has(standing.lane)) return false
    if (standing.isMeasured && !turns.hasRoom(trials.learningSpent)) return false
    const isOpen =
      !isComparable(standing) ||
      !isComparable(current) ||
      (!isHopeless(standing, current) && !isConclusive(standing, current, taste))
    return isOpen && isWorth(standing, situation)
  })
  const unmeasured = open.filter(({ isMeasured }) => !isMeasured)
  const place = ({ lane }: LaneStanding): number => {
    const index = situation.preference.indexOf(lane)
    return index < 0 ? situation.preference.length : index
  }
  // Large bodies at once want windows: behind lanes of one connection come those of several, the most first.
  const areLarge = situation.workload.largeShare.mean >= MOSTLY
  const windows = (standing: LaneStanding): number =>
    areLarge && isOfSeveral(standing) ? standing.connections : 0
  const group = (standing: LaneStanding): number => (windows(standing) > 0 ? 1 : 0)
  unmeasured.sort((a, b) => group(a) - group(b) || windows(b) - windows(a) || place(a) - place(b))
  return [...unmeasured, ...stalestFirst(open.filter(({ isMeasured }) => isMeasured))]
}

export function planLearning(situation: TrialSituation, now: number): TrialPlan | undefined {
  if (situation.trials.learningBlocks === 0) return undefined
  const next = lanesToLearn(situation, now).find(({ lane }) => situation.turns.mayTryAgain(lane))
  return next === undefined ? undefined : { lane: next.lane, purse: 'learning', ratio: 1 }
}

/**
 * What is tried after learning. Ordered rules:
 * 1. a lane that looks better must show it again;
 * 2. the lane that was not heard of for longest, of those that deserve it.
 */
export function planExploring(situation: TrialSituation, now: number): TrialPlan | undefined {
  const { current, trials, challengers } = situation
  const all = triable(situation, now)
  for (const standing of all) {
    const ratio = timeRatio(standing, current)
    if (!challengers.needsTrial(standing.lane, standing.estimates.ttfb.samples)) continue
    if (trials.mayVerify(ratio)) return { lane: standing.lane, purse: 'exploring', ratio } // 1
  }
  const payable = all.filter(standing => trials.mayExplore(standing.lane, timeRatio(standing, current)))
  const stalest = stalestFirst(payable).find(standing => isWorth(standing, situation))
  if (stalest === undefined) return undefined
  return { lane: stalest.lane, purse: 'exploring', ratio: timeRatio(stalest, current) } // 2
}

/** How many connections a trial needs so that its requests find the lane as it would be. */
export function trialConnections({ lane, protocol, connections }: LaneStanding, spread: number): number {
  if (lane === 'h2-spread') return Math.max(1, Math.min(spread, Math.ceil(connections)))
  if (protocol === 'http/1.1') return Math.min(MAX_HTTP1_CONNECTIONS, Math.ceil(connections))
  return Math.max(1, Math.min(spread, Math.round(connections)))
}

/**
 * Requests of a trial that come before those that tell how the lane is. Small responses fit into any window;
 * the first round of large ones finds windows as small as they are after a pause, whatever the lane.
 */
export function trialWarmUp({ concurrency, largeShare }: Workload, trialRequests: number): number {
  return largeShare.mean < MOSTLY ? 0 : Math.min(trialRequests, Math.round(Math.max(1, concurrency.mean)))
}

function isOfSeveral({ lane }: LaneStanding): boolean {
  return lane === 'h2-spread' || lane === 'http/1.1'
}

function triable({ standings, current, trials }: TrialSituation, now: number): LaneStanding[] {
  return standings.filter(
    ({ lane, isEligible }) => isEligible && lane !== current.lane && trials.isAllowed(lane, now),
  )
}

function isWorth({ lane }: LaneStanding, { standings, workload, current }: TrialSituation): boolean {
  return trialWorth(lane, standings, workload, current).isWorth
}

function stalestFirst(standings: LaneStanding[]): LaneStanding[] {
  const heardAt = ({ estimates: { ttfb } }: LaneStanding): number =>
    ttfb.samples === 0 ? -Infinity : ttfb.at
  return standings.sort((a, b) => (heardAt(a) < heardAt(b) ? -1 : 1))
}

/** How much dearer a request of a trial is, in time. 1 while that is not known. */
function timeRatio({ prediction }: LaneStanding, current: LaneStanding): number {
  if (prediction === undefined || current.prediction === undefined) return 1
  const ratio = prediction.ms / current.prediction.ms
  return ratio > 1 && ratio < Infinity ? ratio : 1
}
