import type { Decision } from '../../base/events/decision.ts'
import { LANE_NAMES, type LaneName } from '../../base/http/protocol.ts'
import type { ChoiceAction, ChooserConfig, ExchangeSample } from './choice-action.ts'
import { isFigure } from './estimate.ts'
import { LaneEstimates, streamsPerConnection, Workload } from './lane-estimates.ts'
import type { LaneCandidate } from './lane-snapshot.ts'
import { LaneTrials } from './lane-trials.ts'
import { SelectionPolicy } from './selection-policy.ts'

/** Looking at all figures takes some microseconds, which at this rate are nothing. */
const EVALUATE_EVERY_MS = 100
/** While learning, each request counts. */
const LEARN_EVERY_MS = 10
/**
 * Unless so many looks led to nothing: an origin whose other lanes are not worth a trial goes on learning.
 */
const PATIENT_EVALUATIONS = 32
/** An origin that was not asked for so long is got to know anew. */
const RELEARN_AFTER_MS = 1_800_000

const NOTHING: readonly ChoiceAction[] = []

/**
 * Which lane carries each request of one origin: by evidence first, by measurement as soon as there is some.
 * What its life is:
 * - The first request goes where preference says. The lane that carries is measured with every request.
 * - Learning: as soon as that one is known, each other candidate gets a trial (lane-trials.ts); those that
 *   come out too close get more, within a fixed number of requests. Then the policy's best is taken.
 * - Settled: a small share of requests keeps measuring the others; a change takes a gain that is large
 *   enough, lasts, and was shown twice. The order of all rules is in decide-lane.ts, the model of times in
 *   lane-score.ts, which trial comes next in trial-plan.ts.
 */
export class LaneChooser {
  readonly #estimates: Readonly<Record<LaneName, LaneEstimates>> = {
    h3: new LaneEstimates(),
    tcp: new LaneEstimates(),
    'h2-spread': new LaneEstimates(),
    'http/1.1': new LaneEstimates(),
  }
  readonly #workload = new Workload()
  readonly #trials: LaneTrials
  readonly #policy: SelectionPolicy
  /** Of the policy: what requests take that are not steered elsewhere. */
  #lane: LaneName
  #evaluateAt = -Infinity
  /** In a row, that led to nothing. */
  #idleEvaluations = 0
  /** How many lanes may carry. */
  #eligible = 0

  constructor(config: ChooserConfig, now: number) {
    this.#trials = new LaneTrials(config.options.exploreShare, config.options.trialRequests)
    this.#policy = new SelectionPolicy(config, this.#estimates, this.#workload, this.#trials, now)
    this.#lane = this.#policy.lane
  }

  /**
   * Which lane carries, and why, as of when that changed. Its figures are of that time; `describe` has those
   * of now.
   */
  get decision(): Decision {
    return this.#policy.decision
  }

  /** A trial steers requests, or waits for the last of them. */
  get isTrying(): boolean {
    return this.#trials.isSteering
  }

  /** Trials of a learning phase are to come, or wait for a lane to be tried. */
  get isLearning(): boolean {
    return this.#policy.isLearning
  }

  /** Evidence changed. All lanes that there are or could be; those that are not named may not carry. */
  setCandidates(candidates: readonly LaneCandidate[], now: number): readonly ChoiceAction[] {
    this.#policy.setCandidates(candidates)
    const eligible = candidates.reduce((count, { isEligible }) => count + Number(isEligible), 0)
    if (eligible !== this.#eligible) this.#idleEvaluations = 0
    this.#eligible = eligible
    return this.#evaluate(now)
  }

  /**
   * The lane of a request that goes now; always one that may carry, or `tcp` when none may. `mayTry`: it may
   * go over a lane that is being tried: safe, no body.
   */
  next(mayTry: boolean, now: number): LaneName {
    return this.#trials.next(mayTry, now) ?? this.#lane
  }

  /** An exchange ended. Nearly always there is nothing to do. */
  onSample(sample: ExchangeSample, now: number): readonly ChoiceAction[] {
    const { lane } = sample
    const estimates = this.#estimates[lane]
    const isCarrier = lane === this.#lane
    if (isCarrier) {
      if (now - estimates.errors.at > RELEARN_AFTER_MS && estimates.errors.samples > 0)
        this.#policy.learnAnew()
      this.#policy.onCarried()
    }
    const carriesAll = isCarrier && !this.#trials.isSteering
    this.#workload.onSample(sample, streamsPerConnection(sample), carriesAll, now)
    estimates.onSample(sample, this.#workload.meanLargeBytes, now)
    const hasEnded = this.#trials.isSteering
      ? this.#onSampleOfTrial(sample, now)
      : this.#trials.onSample(sample, false, now)
    return hasEnded || now >= this.#evaluateAt ? this.#evaluate(now) : NOTHING
  }

  /** A connection of the lane was made in so many ms. */
  onHandshake(lane: LaneName, handshakeMs: number, now: number): void {
    this.#policy.onOpened(lane)
    this.#estimates[lane].handshake.add(handshakeMs, now)
  }

  /**
   * What the kernel has counted on TCP connections of the lane since the last call: the share of segments
   * that show a loss, from 0 to 1.
   */
  onSegments(
    lane: LaneName,
    path: { readonly rttMs: number; readonly lossRatio: number },
    now: number,
  ): void {
    if (path.rttMs > 0) this.#estimates[lane].rtt.add(path.rttMs, now)
    if (isFigure(path.lossRatio)) this.#estimates[lane].segmentLoss.add(Math.min(1, path.lossRatio), now)
  }

  /**
   * What QUIC connections of the lane say of the way: `lossRatio` from 0 to 1, of the packets since the last
   * call.
   */
  onPath(lane: LaneName, path: { readonly rttMs: number; readonly lossRatio: number }, now: number): void {
    this.#estimates[lane].rtt.add(path.rttMs, now)
    if (!isFigure(path.lossRatio)) return
    const { loss } = this.#estimates[lane]
    loss.add(Math.min(1, path.lossRatio), now)
    this.#policy.onLoss(loss)
  }

  /** What a request over the lane cost this process (cpu-meter.ts). */
  onCpu(lane: LaneName, cpuMs: number, now: number): void {
    this.#estimates[lane].cpu.add(cpuMs, now)
  }

  /** The connections that `prepareTrial` asked for are open, or as many as there will be. */
  onTrialReady(lane: LaneName, now: number): readonly ChoiceAction[] {
    this.#trials.onReady(lane, now)
    this.#estimates[lane].onResumed(now)
    return NOTHING
  }

  /** The lane that `prepareTrial` named, or that is being tried, has no connection and gets none. */
  onTrialUnavailable(lane: LaneName, because: string, now: number): readonly ChoiceAction[] {
    return this.#trials.onUnavailable(lane, because, now) ? this.#evaluate(now) : NOTHING
  }

  /** What was measured was measured on another way. */
  onNetworkChanged(now: number): readonly ChoiceAction[] {
    for (const estimates of Object.values(this.#estimates)) estimates.onNetworkChanged()
    this.#policy.learnAnew()
    return this.#evaluate(now)
  }

  /** The decision with the figures of now. */
  describe(now: number): Decision {
    return this.#policy.describe(now)
  }

  /** What is worth keeping, below 4 KiB as JSON. `wallNow`: ms since 1970. */
  snapshot(now: number, wallNow: number): unknown {
    const parts = { estimates: this.#estimates, workload: this.#workload }
    return chooserSnapshot(parts, this.#policy.chosen, now, wallNow)
  }

  /**
   * Takes a snapshot that another process made; best before setCandidates. Whatever it is given, it throws
   * nothing.
   */
  restore(value: unknown, now: number, wallNow: number): void {
    const parts = { estimates: this.#estimates, workload: this.#workload }
    this.#policy.onRestored(restoreChooser(value, parts, now, wallNow), now)
    this.#evaluateAt = -Infinity
  }

  #onSampleOfTrial(sample: ExchangeSample, now: number): boolean {
    const { lane } = this.#trials
    if (lane === undefined) return false
    if (sample.lane === lane && this.#policy.isHopeless(lane, now)) this.#trials.cut()
    const hasEnded = this.#trials.onSample(sample, this.#policy.isCrowded(lane, now), now)
    if (hasEnded) this.#policy.onTried(lane, now)
    return hasEnded
  }

  #evaluate(now: number): readonly ChoiceAction[] {
    const actions = this.#policy.evaluate(now)
    this.#lane = this.#policy.lane
    const isBusy = actions.length > 0 || this.#trials.lane !== undefined
    this.#idleEvaluations = isBusy ? 0 : this.#idleEvaluations + 1
    const isSoon = this.#policy.isLearning && this.#idleEvaluations < PATIENT_EVALUATIONS
    this.#evaluateAt = now + (isSoon ? LEARN_EVERY_MS : EVALUATE_EVERY_MS)
    return actions
  }
}

const VERSION = 1
/**
 * What is older is not looked at: figures have faded long before, and the lane that was right then is a
 * guess.
 */
const MAX_AGE_MS = 86_400_000

/** The parts of a chooser that outlive a process. */
interface ChooserParts {
  readonly estimates: Readonly<Record<LaneName, LaneEstimates>>
  readonly workload: Workload
}

/**
 * As JSON below 4 KiB. `savedAt` is wall time: monotonic clocks do not outlive a process. `lane`: what
 * carried; undefined: none by measurement.
 */
function chooserSnapshot(
  { estimates, workload }: ChooserParts,
  lane: LaneName | undefined,
  now: number,
  wallNow: number,
): object {
  const lanes: Record<string, object> = {}
  for (const name of LANE_NAMES) {
    const record = estimates[name].record(now)
    if (Object.keys(record).length > 0) lanes[name] = record
  }
  return { version: VERSION, savedAt: Math.round(wallNow), lane, lanes, workload: workload.record(now) }
}

/**
 * Takes what is whole of a snapshot; throws nothing. Returns the lane that carried then, if that was said. A
 * wall clock that was set back makes figures look as young as when they were kept.
 */
function restoreChooser(
  value: unknown,
  { estimates, workload }: ChooserParts,
  now: number,
  wallNow: number,
): LaneName | undefined {
  const fields = fieldsOf(value)
  const savedAt = fields.get('savedAt')
  if (fields.get('version') !== VERSION || typeof savedAt !== 'number' || !Number.isFinite(savedAt))
    return undefined
  const sinceMs = Math.max(0, wallNow - savedAt)
  if (!(sinceMs <= MAX_AGE_MS)) return undefined
  const lanes = fieldsOf(fields.get('lanes'))
  for (const name of LANE_NAMES) {
    const record = lanes.get(name)
    if (isRecord(record)) estimates[name].restore(record, now, sinceMs)
  }
  const work = fields.get('workload')
  if (isRecord(work)) workload.restore(work, now, sinceMs)
  return LANE_NAMES.find(name => name === fields.get('lane'))
}

function fieldsOf(value: unknown): ReadonlyMap<string, unknown> {
  return new Map(isRecord(value) ? Object.entries(value) : [])
}

function isRecord(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
