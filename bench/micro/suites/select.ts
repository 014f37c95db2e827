import { parseOrigin } from '../../../src/base/http/origin.ts'
import { LANE_NAMES, type LaneName } from '../../../src/base/http/protocol.ts'
import { DEFAULT_SELECT_OPTIONS } from '../../../src/base/options/select-options.ts'
import type { OriginConnector } from '../../../src/origin/connecting/origin-connector.ts'
import { CpuMeter } from '../../../src/origin/lanes/cpu-meter.ts'
import { Lane } from '../../../src/origin/lanes/lane.ts'
import { Lanes } from '../../../src/origin/lanes/lanes.ts'
import { SettingsBook } from '../../../src/origin/origin-settings.ts'
import type { Pool } from '../../../src/pool/pool.ts'
import { LaneChooser } from '../../../src/select/choice/choice.ts'
import type { ChoiceAction, ExchangeSample } from '../../../src/select/choice/choice-action.ts'
import type { LaneCandidate } from '../../../src/select/choice/lane-snapshot.ts'
import { OriginRecord } from '../../../src/select/record/origin-record.ts'
import type { MicroCase, MicroSuite } from '../suite.ts'

/**
 * What the choice of a lane costs a request: which lane it takes, and what its end teaches, with a record
 * that is fresh.
 */

/** Of 2 microseconds for each request. */
const AIM_NS = 2_000
/** A timer cannot see a single request, and what is done ten times a second has to fall on many. */
const REQUESTS = 1_000

/**
 * The lanes of an origin as the transport has them, all with an open connection, with what one exchange asks
 * of them.
 */
function routedExchange(): () => void {
  let now = 1_000
  const origin = parseOrigin('https://origin.test')
  const record = new OriginRecord({ host: origin.host, port: origin.port })
  const pool = { live: 1, preconnect: () => Promise.resolve(), connections: () => [] }
  const connector = { offered: ['h2', 'http/1.1'], linkOf: () => undefined, pathsOf: () => [] }
  const lanes = new Lanes({
    origin,
    settings: new SettingsBook({}).settingsFor(origin),
    record,
    clock: { now: () => now, setTimer: () => ({ cancel: () => {} }) },
    observer: () => {},
    // as: what Lanes uses of them
    makeLane: name => new Lane(name, pool as unknown as Pool, connector as unknown as OriginConnector),
    http3Fault: () => undefined,
    cpuMeter: new CpuMeter(),
    onChanged: () => {},
  })
  lanes.start()
  record.onAltSvc('h3=":443"', 'alt-svc', 0, now)
  record.http3Status('origin.test:443').onHttp3Worked(now)
  lanes.refresh(now)
  let turn = 0
  return () => {
    now += 0.05
    const lane = lanes.selectLane(true, now)
    if (!(lane instanceof Lane)) throw new Error('a race beside open connections')
    turn += 1
    lanes.onSample(sampleOf(lane.name, turn), now)
  }
}

function requests(name: string, prepare: () => () => unknown): MicroCase {
  return {
    name,
    operationsPerCall: REQUESTS,
    aimNs: AIM_NS,
    prepare: () => {
      const request = prepare()
      return () => {
        for (let i = 0; i < REQUESTS; i++) request()
      }
    },
  }
}

function casesOf(lanes: readonly LaneName[]): MicroCase[] {
  const title = lanes.length === 1 ? '1 lane' : `${lanes.length} lanes`
  return [
    requests(`${title}: which lane`, () => {
      const { chooser, now } = settled(lanes)
      return () => chooser.next(false, now)
    }),
    // Trials and the look at all figures, ten times a second, fall on all requests: the slower they come, the
    // more on each.
    ...[20_000, 1_000, 100].map(perSecond =>
      requests(`${title}: which lane, and its sample, at ${perSecond} requests/s`, () => {
        const origin = settled(lanes)
        return () => origin.exchange(1000 / perSecond)
      }),
    ),
  ]
}

export const suite: MicroSuite = {
  name: 'select',
  operation: 'request',
  cases: [
    ...casesOf(['tcp']),
    ...casesOf(LANE_NAMES),
    requests("the transport: an exchange's lane and its sample, at 20000 requests/s", routedExchange),
    {
      name: '4 lanes: explain, off the hot path',
      operationsPerCall: 1,
      prepare: () => {
        const { chooser, now } = settled(LANE_NAMES)
        return () => void chooser.describe(now)
      },
    },
  ],
}

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
