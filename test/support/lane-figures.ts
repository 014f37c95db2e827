import type { LaneName, Protocol } from '../../src/base/http/protocol.ts'
import type { ExchangeSample } from '../../src/select/choice/choice-action.ts'
import { LaneEstimates } from '../../src/select/choice/lane-estimates.ts'
import type { LaneCandidate, MeasuredSnapshot } from '../../src/select/choice/lane-snapshot.ts'

const PROTOCOLS: Readonly<Record<LaneName, Protocol>> = {
  h3: 'h3',
  tcp: 'h2',
  'h2-spread': 'h2',
  'http/1.1': 'http/1.1',
}

/** An exchange like any other: a small response after 40 ms. */
export function sampleOf(lane: LaneName, but: Partial<ExchangeSample> = {}): ExchangeSample {
  return {
    lane,
    ttfbMs: 40,
    bodyMs: 0,
    responseBytes: 1_000,
    laneStreams: 1,
    laneConnections: 1,
    stallMs: undefined,
    isFirst: false,
    failed: false,
    ...but,
  }
}

export function candidateOf(lane: LaneName, isEligible = true, because = 'it works'): LaneCandidate {
  return { lane, protocol: PROTOCOLS[lane], isEligible, because }
}

/** Of a lane whose connections were at their speed, so many times. */
export function warmEstimates(ms: number, samples: number, at = 0): LaneEstimates {
  const estimates = new LaneEstimates()
  estimates.restore({ ttfb: [ms, 0, samples, 0, samples] }, at, 0)
  return estimates
}

/** A lane that was measured to take `ms`. */
export function standingOf(
  lane: LaneName,
  ms: number,
  but: Partial<MeasuredSnapshot> = {},
): MeasuredSnapshot {
  return {
    ...candidateOf(lane),
    estimates: new LaneEstimates(),
    prediction: { ms, errorMs: 0, isBorrowed: false },
    isMeasured: true,
    isFailing: false,
    cost: lane === 'h3' ? 5 : 1,
    isRisky: false,
    connections: 1,
    ...but,
  }
}
