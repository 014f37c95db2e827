import type { LaneName, Protocol } from '../../base/http/protocol.ts'
import { type LaneEstimates, MOSTLY, type Workload } from './lane-estimates.ts'
import { borrow, connectionsFor, laneCost, lossStall, type Prediction, predict } from './lane-score.ts'

/**
 * Origins that answer sooner are in the same building, where packets are lost for want of room rather than on
 * the way: nothing is presumed.
 */
const FAR_MS = 5

/**
 * Readings of the kernel's count, of 16 exchanges each, times the share that QUIC lost: from here, the chance
 * that as many were lost over TCP and none was met is one in a hundred ((1 - p) ^ 16n for small p).
 */
const READINGS_BY_LOSS = 0.3
/** Of QUIC's share: what TCP loses below that, it does not lose to what QUIC does. */
const FEWER = 1 / 4

/** A lane that an origin has, or could have. */
export interface LaneCandidate {
  readonly lane: LaneName
  /** What it speaks, or would. */
  readonly protocol: Protocol
  /** It may carry requests. */
  readonly isEligible: boolean
  /** Why it may, or may not. */
  readonly because: string
}

/** A candidate with what is known of it at one time. */
export interface LaneSnapshot extends LaneCandidate {
  readonly estimates: LaneEstimates
  /** Undefined: nothing went over it yet. */
  readonly prediction: Prediction | undefined
  /** There is enough behind the prediction to go by it. */
  readonly isMeasured: boolean
  readonly isFailing: boolean
  /** CPU of a request: ms where any lane was measured, else in relation to HTTP/1.1. */
  readonly cost: number
  /** What is asked for would suffer over it from lost packets, and nothing says that none are lost. */
  readonly isRisky: boolean
  /** Connections that it would carry the origin's requests over. */
  readonly connections: number
}

/** One that was measured. */
export interface MeasuredSnapshot extends LaneSnapshot {
  readonly prediction: Prediction
}

export function hasFigures(snapshot: LaneSnapshot | undefined): snapshot is MeasuredSnapshot {
  return snapshot?.prediction !== undefined
}

export function isComparable(snapshot: LaneSnapshot): snapshot is MeasuredSnapshot {
  return snapshot.isMeasured && snapshot.prediction !== undefined
}

/** A candidate with its estimates. */
export interface EstimatedLane extends LaneCandidate {
  readonly estimates: LaneEstimates
}

/**
 * `estimatedLanes`: all candidates. Field by field: spreading objects took most of the time of an evaluation.
 */
export function laneSnapshots(
  estimatedLanes: readonly EstimatedLane[],
  workload: Workload,
  spreadConnections: number,
  isPathRisky: boolean,
  now: number,
): readonly LaneSnapshot[] {
  // Large bodies keep acknowledgements coming, so that either transport repairs a loss within a round trip.
  const ttfbs = estimatedLanes.flatMap(({ estimates: { ttfb } }) => (ttfb.samples > 0 ? [ttfb.mean] : []))
  const isFar = Math.min(...ttfbs) >= FAR_MS
  const areSmall = workload.largeShare.mean < MOSTLY
  const borrowed = borrow(estimatedLanes)
  const counting = estimatedLanes.find(({ estimates }) => estimates.loss.samples > 0)?.estimates
  const isTcpSpared =
    counting !== undefined && estimatedLanes.some(({ estimates }) => isSpared(estimates, counting))
  const stallMs = counting === undefined || isTcpSpared ? 0 : lossStall(counting.loss.mean, counting.rtt.mean)
  const concurrency = workload.concurrency.mean
  return estimatedLanes.map(seat => {
    const { lane, protocol, isEligible, because, estimates } = seat
    const connections = connectionsFor(lane, protocol, concurrency, spreadConnections, estimates.connections)
    const isStalled = areSmall && protocol !== 'h3'
    const hasTimes = estimates.ttfb.samples > 0
    return {
      lane,
      protocol,
      isEligible,
      because,
      estimates,
      prediction: hasTimes
        ? predict(estimates, workload, connections, borrowed, now, isStalled ? stallMs : 0)
        : undefined,
      isMeasured: estimates.isMeasured(now),
      isFailing: estimates.isFailing(now),
      cost: laneCost(seat, estimatedLanes, now),
      isRisky: isFar && isPathRisky && isStalled && !isTcpSpared,
      connections,
    }
  })
}

/**
 * What QUIC loses is presumed of TCP as well, until the kernel has counted otherwise: some networks throw UDP
 * away, and nothing else.
 */
function isSpared({ segmentLoss }: LaneEstimates, { loss }: LaneEstimates): boolean {
  return segmentLoss.samples * loss.mean >= READINGS_BY_LOSS && segmentLoss.mean < loss.mean * FEWER
}
