import type { Decision } from '../../src/base/events/decision.ts'
import type { LaneName, Protocol } from '../../src/base/http/protocol.ts'
import { DEFAULT_SELECT_OPTIONS, type SelectOptions } from '../../src/base/options/select-options.ts'
import { seededRandom } from '../../src/base/seeded-random.ts'
import { LaneChooser } from '../../src/select/choice/choice.ts'
import type { ChoiceAction } from '../../src/select/choice/choice-action.ts'

/** What one exchange over a lane takes. `load`: exchanges that share its connection. */
interface Outcome {
  readonly ttfbMs: number
  readonly bodyMs?: number
  readonly failed?: boolean
}

export interface SimulatedLane {
  readonly protocol: Protocol
  /** Connections at this concurrency. */
  readonly connections: (concurrency: number) => number
  readonly exchange: (random: () => number, load: number, now: number) => Outcome
}

export interface WorldOptions {
  readonly lanes: Partial<Record<LaneName, SimulatedLane>>
  readonly seed: number
  readonly concurrency?: number
  /** The caller asks for so many at once, and for the next ones when all of them are there. */
  readonly isBurst?: boolean
  readonly responseBytes?: number
  /** The caller's pause after each exchange. */
  readonly thinkMs?: number
  /** What it takes until a lane's connections are there. */
  readonly prepareMs?: number
  /** What QUIC has counted before it all begins. */
  readonly lossRatio?: number
  /** What the kernel has counted on `tcp` by then. */
  readonly segmentLossRatio?: number
  readonly options?: Partial<SelectOptions>
  readonly firstPreference?: readonly LaneName[]
}

interface Running {
  readonly lane: LaneName
  readonly endsAt: number
  readonly outcome: Outcome
  readonly streamsAtStart: number
}

export interface Carried {
  readonly lane: LaneName
  readonly at: number
  readonly ms: number
  /** It went over another lane than the one that carries. */
  readonly isTrial: boolean
}

/**
 * A caller with so many requests at a time, an origin with so many lanes, and a chooser between them; time is
 * made up.
 */
export class LaneWorld {
  readonly chooser: LaneChooser
  readonly carried: Carried[] = []
  readonly decisions: Decision[] = []
  readonly prepared: { lane: LaneName; connections: number; atRequest: number }[] = []
  /** Requests that had been started when learning was over first. */
  learnedAfter: number | undefined
  now = 1_000
  readonly #world: WorldOptions
  readonly #random: () => number
  readonly #running: Running[] = []
  readonly #streams = new Map<LaneName, number>()
  readonly #opened = new Set<LaneName>()
  #ready: { lane: LaneName; at: number } | undefined

  constructor(world: WorldOptions) {
    this.#world = world
    this.#random = seededRandom(world.seed)
    const firstPreference = world.firstPreference ?? ['tcp', 'h3', 'h2-spread', 'http/1.1']
    const options = { ...DEFAULT_SELECT_OPTIONS, ...world.options }
    this.chooser = new LaneChooser({ options, firstPreference }, this.now)
    if (world.lossRatio !== undefined)
      for (let reading = 0; reading < 30; reading += 1)
        this.chooser.onPath('h3', { rttMs: 40, lossRatio: world.lossRatio }, this.now)
    if (world.segmentLossRatio !== undefined)
      for (let reading = 0; reading < 30; reading += 1)
        this.chooser.onSegments('tcp', { rttMs: 40, lossRatio: world.segmentLossRatio }, this.now)
    this.#obey(
      this.chooser.setCandidates(
        Object.entries(world.lanes).map(([lane, { protocol }]) => ({
          lane: lane as LaneName, // the keys of `lanes`
          protocol,
          isEligible: true,
          because: 'simulated',
        })),
        this.now,
      ),
    )
  }

  run(requests: number): this {
    const { concurrency = 1, thinkMs = 0, isBurst = false } = this.#world
    for (let started = 0; started < requests; started += 1) {
      const isFull = this.#running.length >= concurrency
      while (this.#running.length > (isFull && isBurst ? 0 : concurrency - 1)) this.#endOne()
      this.now += thinkMs
      this.#prepare()
      this.#start()
    }
    while (this.#running.length > 0) this.#endOne()
    return this
  }

  /** The mean time of the exchanges from the `from`th on. */
  meanMs(from = 0, to = Infinity): number {
    const some = this.carried.slice(from, to)
    return some.reduce((sum, { ms }) => sum + ms, 0) / some.length
  }

  get trialRequests(): number {
    return this.carried.filter(({ isTrial }) => isTrial).length
  }

  /** Of the lane that carries. */
  get switches(): number {
    return this.decisions.filter(({ lane }, index) => index > 0 && lane !== this.decisions[index - 1]!.lane)
      .length
  }

  #prepare(): void {
    if (this.#ready === undefined || this.now < this.#ready.at) return
    const { lane } = this.#ready
    this.#ready = undefined
    this.#obey(this.chooser.onTrialReady(lane, this.now))
  }

  #start(): void {
    const lane = this.chooser.next(true, this.now)
    const model = this.#world.lanes[lane]
    if (model === undefined) throw new Error(`${lane} may not carry`)
    const streams = (this.#streams.get(lane) ?? 0) + 1
    this.#streams.set(lane, streams)
    const load = Math.max(1, streams / model.connections(this.#world.concurrency ?? 1))
    const outcome = model.exchange(this.#random, load, this.now)
    const ms = outcome.ttfbMs + (outcome.bodyMs ?? 0)
    this.#running.push({ lane, outcome, endsAt: this.now + ms, streamsAtStart: streams })
    this.carried.push({ lane, at: this.now, ms, isTrial: lane !== this.chooser.decision.lane })
  }

  #endOne(): void {
    this.#running.sort((a, b) => a.endsAt - b.endsAt)
    const { lane, outcome, endsAt, streamsAtStart } = this.#running.shift()!
    this.now = Math.max(this.now, endsAt)
    const streams = this.#streams.get(lane)!
    this.#streams.set(lane, streams - 1)
    this.#obey(
      this.chooser.onSample(
        {
          lane,
          ttfbMs: outcome.ttfbMs,
          bodyMs: outcome.bodyMs ?? 0,
          responseBytes: this.#world.responseBytes ?? 1_000,
          laneStreams: (streamsAtStart + streams) / 2,
          laneConnections: this.#world.lanes[lane]!.connections(this.#world.concurrency ?? 1),
          stallMs: undefined,
          isFirst: false,
          failed: outcome.failed ?? false,
        },
        this.now,
      ),
    )
    if (!this.chooser.isLearning) this.learnedAfter ??= this.carried.length
  }

  #obey(actions: readonly ChoiceAction[]): void {
    for (const action of actions) {
      if (action.type === 'decided') {
        this.decisions.push(action.decision)
        continue
      }
      const { lane, connections } = action
      this.prepared.push({ lane, connections, atRequest: this.carried.length })
      const isOpen = this.#opened.has(lane)
      this.#opened.add(lane)
      this.#ready = { lane, at: isOpen ? this.now : this.now + (this.#world.prepareMs ?? 60) }
    }
  }
}

export const ONE = (): number => 1

/** Times around a mean: a sum of four even ones, near enough to a bell. */
export function around(meanMs: number, spreadShare: number): SimulatedLane['exchange'] {
  return random => {
    const sum = random() + random() + random() + random() - 2
    return { ttfbMs: Math.max(0.1, meanMs * (1 + sum * spreadShare * Math.sqrt(3))) }
  }
}

/** Most requests take `ms`, some (a loss, its time-out) take `tailMs` more. */
export function heavyTailed(ms: number, share: number, tailMs: number): SimulatedLane['exchange'] {
  return random => ({ ttfbMs: ms * (0.95 + 0.1 * random()) + (random() < share ? tailMs : 0) })
}
