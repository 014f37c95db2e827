import type { LaneName } from '../../base/http/protocol.ts'
import type { Challengers } from './challengers.ts'
import { ms, percent } from './decision-reason.ts'
import { MOSTLY, type Workload } from './lane-estimates.ts'
import { isConclusive, isHopeless, type PolicyOptions } from './lane-preference.ts'
import { leastTcpMs, MIN_MS_PER_BYTE } from './lane-score.ts'
import { isComparable, type LaneSnapshot } from './lane-snapshot.ts'
import type { LaneTrials } from './lane-trials.ts'
import type { Turns } from './turns.ts'

/** An HTTP/1.1 lane is tried with no more connections than that at once. */
const MAX_HTTP1_CONNECTIONS = 16

/** A lane to be tried next, and from which budget. */
interface TrialPlan {
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
 * 2. the lane that was not reported for longest, of those that deserve it.
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

/**
 * A single TCP connection stops for a round trip or more with each loss; from about here it shows in the
 * times of requests.
 */
const LOSS_RATIO = 0.003
/** Fewer readings of a connection show no share. */
const SEGMENT_READINGS = 4
/** Fewer exchanges on a connection have nobody to stop. */
const SHARED_STREAMS = 2
/** How many times as long a byte takes, alone on its connection, as over the best lane. */
const SLOW_TIMES = 3

/**
 * What stands losses is worth this in times: chance alone makes a few requests differ by as much where
 * packets are lost.
 */
const SAFE_TIMES = 1.5

/** Bodies that take less than this, in first bytes' times, would not be much faster anywhere. */
const BODY_SHARE = 0.25

/** Whether a lane deserves a trial, and why. */
export interface TrialWorth {
  readonly isWorth: boolean
  readonly because: () => string
}

const ALWAYS: TrialWorth = { isWorth: true, because: () => 'another protocol' }

/**
 * Whether trying a lane can bring anything. HTTP/3, and whatever ALPN agrees on, are always worth it. Several
 * connections instead of one are not: they cost handshakes, memory and a start with small windows, and can
 * only be faster where one connection makes its streams wait for each other. `current` carries; where
 * requests are small, and no connection over TCP could be faster, or HTTP/3 stands losses better in any case,
 * a trial would only cost time. Signs of such waiting, in this order:
 * 1. packets are lost on the way to the origin, as QUIC counts them;
 * 2. the kernel sees losses on a TCP connection that several streams share. Only what is counted tells: round
 *    trips, of PING as well, and times to a first byte vary with how busy either machine is;
 * 3. a byte of a large body takes much longer over the shared connection that carries than over the best
 *    lane;
 * 4. large bodies share that connection, its window is open as far as it goes, and they take a good part of
 *    the time.
 */
export function trialWorth(
  lane: LaneName,
  snapshots: readonly LaneSnapshot[],
  workload: Workload,
  current: LaneSnapshot | undefined,
): TrialWorth {
  if (lane === 'h3' || lane === 'tcp') return ALWAYS
  if (workload.concurrency.mean < SHARED_STREAMS)
    return { isWorth: false, because: () => 'not worth a trial: hardly two requests are under way at once' }
  const leastMs = workload.largeShare.mean < MOSTLY ? leastTcpMs(snapshots) : 0
  const currentMs = current?.prediction?.ms ?? Infinity
  if (currentMs <= leastMs)
    return {
      isWorth: false,
      because: () =>
        `not worth a trial: with the losses that there are it would take ${ms(leastMs)} at the least`,
    }
  const safe = saferLane(lane, snapshots)
  if (safe !== undefined)
    return {
      isWorth: false,
      because: () => `not worth a trial: ${safe} waits less for what is lost, if anything is`,
    }
  const loss = Math.max(0, ...snapshots.map(({ estimates }) => estimates.loss.mean))
  if (loss >= LOSS_RATIO) return { isWorth: true, because: () => `${percent(loss)} of packets are lost` } // 1
  const shared = snapshots.filter(({ lane, protocol }) => protocol !== 'http/1.1' && lane !== 'h2-spread')
  const isShared = workload.streamsPerConnection.mean >= SHARED_STREAMS
  for (const { lane, estimates } of shared) {
    const { mean, samples } = estimates.segmentLoss
    if (!isShared || samples < SEGMENT_READINGS || mean < LOSS_RATIO) continue
    return { isWorth: true, because: () => `${percent(mean)} of segments over ${lane} show a loss` } // 2
  }
  const perByte = snapshots
    .map(({ estimates }) => estimates.msPerByte.mean)
    .filter(each => each > MIN_MS_PER_BYTE)
  const best = Math.min(...perByte)
  if (current !== undefined && shared.includes(current)) {
    const { lane, estimates } = current
    if (estimates.msPerByte.mean > best * SLOW_TIMES) {
      const times = (estimates.msPerByte.mean / best).toFixed(1)
      return {
        isWorth: true,
        because: () => `a byte over ${lane} takes ${times} times as long as over the best lane`,
      } // 3
    }
    const areLarge = workload.largeShare.mean >= MOSTLY
    if (isShared && areLarge && estimates.isWarm && currentMs > estimates.ttfb.mean * (1 + BODY_SHARE))
      return { isWorth: true, because: () => 'several large responses share a connection, and its window' } // 4
  }
  return {
    isWorth: false,
    because: () => `not worth a trial: no sign that losses make one connection stall (${percent(loss)} lost)`,
  }
}

/** One that stands losses better than any connection over TCP, and carries about as fast without them. */
function saferLane(lane: LaneName, snapshots: readonly LaneSnapshot[]): LaneName | undefined {
  if (snapshots.find(snapshot => snapshot.lane === lane)?.isRisky !== true) return undefined
  const measured = snapshots.filter(({ isMeasured, prediction }) => isMeasured && prediction !== undefined)
  const riskyMs = Math.min(
    ...measured.map(({ isRisky, prediction }) => (isRisky ? (prediction?.ms ?? 0) : Infinity)),
  )
  return measured.find(
    ({ isEligible, isFailing, isRisky, prediction }) =>
      isEligible && !isFailing && !isRisky && (prediction?.ms ?? Infinity) <= riskyMs * SAFE_TIMES,
  )?.lane
}
