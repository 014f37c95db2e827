/**
 * What the choice of a lane costs a request: which lane it takes, and what its end teaches, with a record that is fresh.
 * Run: npm run bench -- micro/select
 */
import { Bench } from 'tinybench'
import { LANE_NAMES, type LaneName } from '../../src/lane.ts'
import { parseOrigin } from '../../src/origin.ts'
import type { Pool } from '../../src/pool/pool.ts'
import { LaneChooser } from '../../src/select/choice/choice.ts'
import type { ChoiceAction } from '../../src/select/choice/choice-action.ts'
import type { ExchangeSample } from '../../src/select/choice/exchange-sample.ts'
import type { LaneCandidate } from '../../src/select/choice/lane-standing.ts'
import { OriginRecord } from '../../src/select/record/origin-record.ts'
import { DEFAULT_SELECT_OPTIONS } from '../../src/select-options.ts'
import { CpuMeter } from '../../src/transport/cpu-meter.ts'
import { Lane } from '../../src/transport/lane.ts'
import { Lanes } from '../../src/transport/lanes.ts'
import type { OriginConnector } from '../../src/transport/origin-connector.ts'
import { SettingsBook } from '../../src/transport/origin-settings.ts'

/** Of 2 microseconds for each request. */
const AIM_NS = 2_000
/** A timer cannot see a single request. */
const BATCH = 1_000
const PROTOCOLS = { h3: 'h3', tcp: 'h2', 'h2-spread': 'h2', 'http/1.1': 'http/1.1' } as const
/** So far apart that nothing but the end of a trial changes the decision. */
const TTFB_MS: Readonly<Record<LaneName, number>> = { h3: 41, tcp: 80, 'h2-spread': 60, 'http/1.1': 70 }

/** An origin on a clock that stands until it is moved, and what the transport does for its chooser. */
class Origin {
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

function sampleOf(lane: LaneName, turn: number): ExchangeSample {
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
function settled(lanes: readonly LaneName[]): Origin {
  const origin = new Origin(lanes)
  for (let i = 0; i < 20_000; i++) origin.exchange(1)
  const { lane, rule, because } = origin.chooser.decision
  const isSettled = lanes.length === 1 ? lane === lanes[0] : lane === 'h3' && rule === 'faster'
  if (!isSettled) throw new Error(`not settled, but ${lane} (${rule}): ${because}`)
  return origin
}

/** The lanes of an origin as the transport has them, all with an open connection, with what one exchange asks of them. */
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
    makeLane: name => new Lane(name, pool as unknown as Pool, connector as unknown as OriginConnector), // what Lanes uses of them
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
    const lane = lanes.wayOf(true, now)
    if (!(lane instanceof Lane)) throw new Error('a race beside open connections')
    turn += 1
    lanes.onSample(sampleOf(lane.name, turn), now)
  }
}

const bench = new Bench({ time: 1000, warmupTime: 300 })
const perTask = new Map<string, number>()
function add(name: string, perRun: number, run: () => void): void {
  perTask.set(name, perRun)
  bench.add(name, run)
}

for (const lanes of [['tcp'], LANE_NAMES] as const) {
  const title = lanes.length === 1 ? '1 lane' : `${lanes.length} lanes`
  const asked = settled(lanes)
  add(`${title}: which lane`, BATCH, () => {
    for (let i = 0; i < BATCH; i++) asked.chooser.next(false, asked.now)
  })
  // Trials and the look at all figures, ten times a second, fall on all requests: the slower they come, the more on each.
  for (const perSecond of [20_000, 1_000, 100]) {
    const origin = settled(lanes)
    const stepMs = 1000 / perSecond
    add(`${title}: which lane, and its sample, at ${perSecond} requests/s`, BATCH, () => {
      for (let i = 0; i < BATCH; i++) origin.exchange(stepMs)
    })
  }
}
const routed = routedExchange()
add("the transport: an exchange's lane and its sample, at 20000 requests/s", BATCH, () => {
  for (let i = 0; i < BATCH; i++) routed()
})
const described = settled(LANE_NAMES)
add('4 lanes: explain, off the hot path', 1, () => void described.chooser.describe(described.now))

await bench.run()
for (const { name, result } of bench.tasks) {
  if (result.state !== 'completed') throw new Error(`${name}: ${result.state}`)
  const perRun = perTask.get(name) ?? 1
  const ns = (result.latency.mean * 1e6) / perRun
  const verdict = name.includes('explain') ? '' : ns <= AIM_NS ? '  (aim 2000: met)' : '  (aim 2000: MISSED)'
  console.log(`${name.padEnd(62)} ${ns.toFixed(0).padStart(6)} ns${verdict}`)
}
