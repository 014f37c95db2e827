import type { LaneName, Protocol } from '../../base/http/protocol.ts'
import type { Estimate } from './estimate.ts'
import { LARGE_BYTES, type LaneEstimates, type Workload } from './lane-estimates.ts'

/**
 * How long a request of the origin would take over a lane.
 *
 *     ms = (ttfb + smallShare * smallBody + largeShare * largeBytes * msPerByte * load + unseen) / (1 -
 *     errors)
 *
 * ttfb, smallBody and msPerByte are the lane's; the shares, largeBytes and the concurrency are the origin's,
 * the same for all lanes. `load` is how many streams would share a connection: the concurrency over the
 * connections that the lane would use. A large body is measured as if it had had the connection for itself
 * (its time divided by the streams beside it), since a trial puts less on a lane than it would have to carry.
 *
 * `unseen` is what losses that QUIC counts do to small responses over TCP (lossStall), less what the samples
 * show themselves: one trial of ten that met none of them says little of a lane on which one request in
 * twenty takes six times as long.
 *
 * What it leaves out:
 * - A connection is taken for the bottleneck, which is true where losses or windows hold it back. Where the
 *   way itself is full, a lane that is tried beside another gets half of it and looks slower than it is. That
 *   errs on the side of the lane that carries, and costs nothing: on a full way all lanes are equally fast.
 * - The time to the first byte is taken as it was measured. Heads that wait behind others' data make it grow
 *   with the load, so that a lane in a trial looks somewhat better than it is when bodies are large and many.
 * - Slow start makes a body's time grow by steps, not by bytes: lanes are compared at the sizes that they
 *   carried.
 * - A failed request is counted as made once more; what else it costs its caller is not known here.
 */
export interface Prediction {
  readonly ms: number
  /** The standard error of that. */
  readonly errorMs: number
  /** No large response went over the lane, though the origin has some: others' figures stand in. */
  readonly isBorrowed: boolean
}

/** No request takes less: figures are divided by each other. */
const MIN_MS = 0.001
/** A terabyte a second: what is faster was not measured. */
export const MIN_MS_PER_BYTE = 1e-9

/** So many samples show as much of stalls as the losses that were counted. */
const STALL_PRIOR = 30
/** What a lost last packet waits for over TCP at least, a round trip aside: Linux' TCP_RTO_MIN. */
const LEAST_TIMEOUT_MS = 200

/**
 * What losses cost a small request over TCP, on average: the packet of the request or that of the response is
 * lost, and no later one makes the receiver report it. Over QUIC a probe comes after a few round trips (RFC
 * 9002 section 6.2); what that takes is small enough to be left to measuring.
 */
export function lossStall(lossRatio: number, rttMs: number): number {
  return 2 * Math.min(0.5, lossRatio) * (LEAST_TIMEOUT_MS + rttMs)
}

/**
 * What a small request takes over TCP at the least, as far as round trips and losses were counted; 0 where
 * they were not.
 */
export function leastTcpMs(lanes: readonly { readonly estimates: LaneEstimates }[]): number {
  const counting = lanes.find(({ estimates }) => estimates.loss.samples > 0)?.estimates
  if (counting === undefined) return 0
  const { loss, rtt } = counting
  return rtt.mean + lossStall(loss.mean, rtt.mean)
}

/** What a lane was never measured for is taken from what the others measured. */
interface Borrowed {
  readonly smallBodyMs: number
  readonly msPerByte: number
}

/** `stallMs`: what losses cost each request, as far as samples do not show it. */
export function predict(
  lane: LaneEstimates,
  workload: Workload,
  connections: number,
  borrowed: Borrowed,
  now: number,
  stallMs = 0,
): Prediction {
  const load = Math.max(1, workload.concurrency.mean / connections)
  const largeShare = workload.largeShare.mean
  const small = weighed(lane.smallBody, 1 - largeShare, borrowed.smallBodyMs, now)
  const large = weighed(lane.msPerByte, largeShare * workload.meanLargeBytes * load, borrowed.msPerByte, now)
  // Lanes that fail more than that are not compared.
  const again = 1 / (1 - Math.min(0.5, lane.errors.mean))
  const unseenMs = (stallMs * STALL_PRIOR) / (STALL_PRIOR + lane.ttfb.samples)
  return {
    ms: Math.max(MIN_MS, (lane.ttfb.mean + small.ms + large.ms + unseenMs) * again),
    errorMs: Math.hypot(lane.ttfb.errorAt(now), small.errorMs, large.errorMs) * again,
    isBorrowed: large.ms > 0 && lane.msPerByte.samples === 0,
  }
}

function weighed(own: Estimate, factor: number, borrowed: number, now: number) {
  if (factor === 0) return { ms: 0, errorMs: 0 }
  if (own.samples === 0) return { ms: borrowed * factor, errorMs: (borrowed * factor) / 2 }
  // Figures without weight have an error without bound; they are figures all the same.
  return { ms: own.mean * factor, errorMs: Math.min(own.errorAt(now), own.mean) * factor }
}

/** The mean over the lanes that have measured it. */
export function borrow(lanes: readonly { readonly estimates: LaneEstimates }[]): Borrowed {
  let small = 0
  let smallLanes = 0
  let large = 0
  let largeLanes = 0
  for (const { estimates } of lanes) {
    const { smallBody, msPerByte } = estimates
    if (smallBody.samples > 0) {
      small += smallBody.mean
      smallLanes += 1
    }
    if (msPerByte.samples > 0) {
      large += msPerByte.mean
      largeLanes += 1
    }
  }
  return {
    smallBodyMs: smallLanes === 0 ? 0 : small / smallLanes,
    msPerByte: largeLanes === 0 ? 0 : large / largeLanes,
  }
}

/** Over how many connections a lane would carry so many exchanges at once. Not a whole number: a mean. */
export function connectionsFor(
  lane: LaneName,
  protocol: Protocol,
  concurrency: number,
  spreadConnections: number,
  open: Estimate,
): number {
  const exchanges = Math.max(1, concurrency)
  if (protocol === 'http/1.1') return exchanges
  if (lane === 'h2-spread') return Math.min(spreadConnections, exchanges)
  return Math.max(1, open.mean)
}

/** Bytes per second that one connection of the lane carried, or undefined. */
export function goodput({ msPerByte }: LaneEstimates): number | undefined {
  return msPerByte.mean > MIN_MS_PER_BYTE ? 1000 / msPerByte.mean : undefined
}

/** For people: what is called large here. */
export const LARGE_TEXT = `${LARGE_BYTES / 1024} KiB`

/**
 * CPU per request in relation to HTTP/1.1, while nothing was measured: on a clean link HTTP/2 costs a fifth
 * of what HTTP/3 costs (measured when HTTP/3 was built; docs/benchmarks.md has the figures), and somewhat
 * more than HTTP/1.1. Spread over connections it shares fewer writes.
 */
const PRIOR = { 'http/1.1': 1, h2: 1.1, h3: 5 } as const
const PRIOR_SPREAD = 1.2

/**
 * Several connections cost the origin memory and handshakes, which no figure of ours shows: such a lane must
 * be faster to be taken, not just as cheap.
 */
const SEVERAL_CONNECTIONS = 1.5

/** A nanosecond: nothing costs less. */
const MIN_CPU_MS = 1e-6

/**
 * Costs that differ by less than this factor are the same: readings of a process's CPU are not better than
 * that.
 */
export const COST_TIE = 1.25

export function priorCost(lane: LaneName, protocol: Protocol): number {
  return lane === 'h2-spread' ? PRIOR_SPREAD : PRIOR[protocol]
}

interface CostOf {
  readonly lane: LaneName
  readonly protocol: Protocol
  readonly estimates: LaneEstimates
}

/**
 * What a request costs over a lane: measured, or else the prior, in the scale of those that were measured.
 */
export function laneCost(of: CostOf, all: readonly CostOf[], now: number): number {
  const times = of.lane === 'h2-spread' || of.lane === 'http/1.1' ? SEVERAL_CONNECTIONS : 1
  return cpuCost(of, all, now) * times
}

function cpuCost(of: CostOf, all: readonly CostOf[], now: number): number {
  if (isCpuMeasured(of.estimates, now)) return of.estimates.cpu.mean
  let measured = 0
  let prior = 0
  for (const other of all) {
    if (!isCpuMeasured(other.estimates, now)) continue
    measured += other.estimates.cpu.mean
    prior += priorCost(other.lane, other.protocol)
  }
  const scale = prior === 0 ? 1 : measured / prior
  return priorCost(of.lane, of.protocol) * scale
}

export function isCpuMeasured({ cpu }: LaneEstimates, now: number): boolean {
  return cpu.mean > MIN_CPU_MS && cpu.weightAt(now) >= 0.5
}
