import type { LaneName } from '../../base/http/lane.ts'
import type { Challengers } from './challengers.ts'
import { isConclusive, isHopeless, type PolicyOptions } from './lane-preference.ts'
import { isComparable, type LaneSnapshot } from './lane-snapshot.ts'
import type { LaneTrials } from './lane-trials.ts'
import { trialWorth } from './trial-worth.ts'
import type { Turns } from './turns.ts'
import { MOSTLY, type Workload } from './workload.ts'

/** An HTTP/1.1 lane is tried with no more connections than that at once. */
const MAX_HTTP1_CONNECTIONS = 16

/** A lane to be tried next, and from which budget. */
export interface TrialPlan {
  readonly lane: LaneName
  readonly budget: 'learning' | 'exploring'
  readonly ratio: number
}

export interface TrialSituation {
  readonly snapshots: readonly LaneSnapshot[]
  readonly current: LaneSnapshot
  readonly workload: Workload
  readonly preference: readonly LaneName[]
  readonly policyOptions: PolicyOptions
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
export function lanesToLearn(situation: TrialSituation, now: number): readonly LaneSnapshot[] {
  const { current, policyOptions, learned, turns, trials } = situation
  const open = triable(situation, now).filter(snapshot => {
    if (learned.has(snapshot.lane)) return false
    if (snapshot.isMeasured && !turns.hasRoom(trials.learningSpent)) return false
    const isOpen =
      !isComparable(snapshot) ||
      !isComparable(current) ||
      (!isHopeless(snapshot, current) && !isConclusive(snapshot, current, policyOptions))
    return isOpen && isWorth(snapshot, situation)
  })
  const unmeasured = open.filter(({ isMeasured }) => !isMeasured)
  const place = ({ lane }: LaneSnapshot): number => {
    const index = situation.preference.indexOf(lane)
    return index < 0 ? situation.preference.length : index
  }
  // Large bodies at once want windows: behind lanes of one connection come those of several, the most first.
  const areLarge = situation.workload.largeShare.mean >= MOSTLY
  const windows = (snapshot: LaneSnapshot): number =>
    areLarge && isOfSeveral(snapshot) ? snapshot.connections : 0
  const group = (snapshot: LaneSnapshot): number => (windows(snapshot) > 0 ? 1 : 0)
  unmeasured.sort((a, b) => group(a) - group(b) || windows(b) - windows(a) || place(a) - place(b))
  return [...unmeasured, ...stalestFirst(open.filter(({ isMeasured }) => isMeasured))]
}

export function planLearning(situation: TrialSituation, now: number): TrialPlan | undefined {
  if (situation.trials.learningBlocks === 0) return undefined
  const next = lanesToLearn(situation, now).find(({ lane }) => situation.turns.mayTryAgain(lane))
  return next === undefined ? undefined : { lane: next.lane, budget: 'learning', ratio: 1 }
}

/**
 * What is tried after learning. Ordered rules:
 * 1. a lane that looks better must show it again;
 * 2. the lane that was not heard of for longest, of those that deserve it.
 */
export function planExploring(situation: TrialSituation, now: number): TrialPlan | undefined {
  const { current, trials, challengers } = situation
  const all = triable(situation, now)
  for (const snapshot of all) {
    const ratio = timeRatio(snapshot, current)
    if (!challengers.needsTrial(snapshot.lane, snapshot.estimates.ttfb.samples)) continue
    if (trials.mayVerify(ratio)) return { lane: snapshot.lane, budget: 'exploring', ratio } // 1
  }
  const payable = all.filter(snapshot => trials.mayExplore(snapshot.lane, timeRatio(snapshot, current)))
  const stalest = stalestFirst(payable).find(snapshot => isWorth(snapshot, situation))
  if (stalest === undefined) return undefined
  return { lane: stalest.lane, budget: 'exploring', ratio: timeRatio(stalest, current) } // 2
}

/** How many connections a trial needs so that its requests find the lane as it would be. */
export function trialConnections({ lane, protocol, connections }: LaneSnapshot, spread: number): number {
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

function isOfSeveral({ lane }: LaneSnapshot): boolean {
  return lane === 'h2-spread' || lane === 'http/1.1'
}

function triable({ snapshots, current, trials }: TrialSituation, now: number): LaneSnapshot[] {
  return snapshots.filter(
    ({ lane, isEligible }) => isEligible && lane !== current.lane && trials.isAllowed(lane, now),
  )
}

function isWorth({ lane }: LaneSnapshot, { snapshots, workload, current }: TrialSituation): boolean {
  return trialWorth(lane, snapshots, workload, current).isWorth
}

function stalestFirst(snapshots: LaneSnapshot[]): LaneSnapshot[] {
  const heardAt = ({ estimates: { ttfb } }: LaneSnapshot): number =>
    ttfb.samples === 0 ? -Infinity : ttfb.at
  return snapshots.sort((a, b) => (heardAt(a) < heardAt(b) ? -1 : 1))
}

/** How much dearer a request of a trial is, in time. 1 while that is not known. */
function timeRatio({ prediction }: LaneSnapshot, current: LaneSnapshot): number {
  if (prediction === undefined || current.prediction === undefined) return 1
  const ratio = prediction.ms / current.prediction.ms
  return ratio > 1 && ratio < Infinity ? ratio : 1
}
