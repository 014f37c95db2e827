import type { LaneName } from '../../base/http/lane.ts'
import type { Protocol } from '../../base/http/protocol.ts'
import type { LaneEstimates } from './lane-estimates.ts'

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
