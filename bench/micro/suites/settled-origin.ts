import { LANE_NAMES, type LaneName } from '../../../src/base/http/lane.ts'
import { DEFAULT_SELECT_OPTIONS } from '../../../src/base/options/select-options.ts'
import { LaneChooser } from '../../../src/select/choice/choice.ts'
import type { ChoiceAction, ExchangeSample } from '../../../src/select/choice/choice-action.ts'
import type { LaneCandidate } from '../../../src/select/choice/lane-snapshot.ts'

const PROTOCOLS = { h3: 'h3', tcp: 'h2', 'h2-spread': 'h2', 'http/1.1': 'http/1.1' } as const
/** So far apart that nothing but the end of a trial changes the decision. */
const TTFB_MS: Readonly<Record<LaneName, number>> = { h3: 41, tcp: 80, 'h2-spread': 60, 'http/1.1': 70 }

/** An origin on a clock that stands until it is moved, and what the transport does for its chooser. */
export class SettledOrigin {
  now = 1_000
  readonly chooser: LaneChooser
  readonly #samples: Readonly<Record<LaneName, readonly ExchangeSample[]>>
  #turn = 0

  constructor(lanes: readonly LaneName[]) {
    this.chooser = new LaneChooser({ options: DEFAULT_SELECT_OPTIONS, firstPreference: LANE_NAMES }, this.now)
    const samplesOf = (lane: LaneName) => Array.from({ length: 12 }, (_, i) => sampleOf(lane, i))
    this.#samples = {
      h3: samplesOf('h3'),
      tcp: samplesOf('tcp'),
      'h2-spread': samplesOf('h2-spread'),
      'http/1.1': samplesOf('http/1.1'),
    }
    const candidates: LaneCandidate[] = lanes.map(lane => ({
      lane,
      protocol: PROTOCOLS[lane],
      isEligible: true,
      because: 'confirmed',
    }))
    this.#obey(this.chooser.setCandidates(candidates, this.now))
  }

  /** One request, `stepMs` after the one before it. */
  exchange(stepMs: number): void {
    this.now += stepMs
    const lane = this.chooser.next(true, this.now)
    const samples = this.#samples[lane]
    const sample = samples[this.#turn++ % samples.length]
    if (sample !== undefined) this.#obey(this.chooser.onSample(sample, this.now))
  }

  /** Connections are there at once. */
  #obey(actions: readonly ChoiceAction[]): void {
    for (const action of actions) {
      if (action.type === 'prepareTrial') this.#obey(this.chooser.onTrialReady(action.lane, this.now))
    }
  }
}

export function sampleOf(lane: LaneName, turn: number): ExchangeSample {
  return {
    lane,
    ttfbMs: TTFB_MS[lane] + (turn % 4),
    bodyMs: 1 + (turn % 3),
    responseBytes: 1_024,
    laneStreams: 5,
    laneConnections: lane === 'http/1.1' ? 5 : 1,
    stallMs: lane === 'http/1.1' ? undefined : 0,
    isFirst: false,
    failed: false,
  }
}

/** One that has learned what there is to learn. */
export function settled(lanes: readonly LaneName[]): SettledOrigin {
  const origin = new SettledOrigin(lanes)
  for (let i = 0; i < 20_000; i++) origin.exchange(1)
  const { lane, rule, because } = origin.chooser.decision
  const isSettled = lanes.length === 1 ? lane === lanes[0] : lane === 'h3' && rule === 'faster'
  if (!isSettled) throw new Error(`not settled, but ${lane} (${rule}): ${because}`)
  return origin
}
