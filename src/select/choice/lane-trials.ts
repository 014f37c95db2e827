import type { LaneName } from '../../base/http/protocol.ts'
import type { ExchangeSample } from './choice-action.ts'

/** Connections that are not there by then will not come. */
const PREPARE_MS = 30_000
/** A trial that got no samples for its requests ends after so long, pauses of the caller not counted. */
const TRIAL_MS = 10_000
/** Between two calls no more time passes for a trial than this: an idle origin says nothing of a lane. */
const PAUSE_MS = 1_000
/** So many failed requests end a trial at once. */
const MAX_FAILURES = 2
/** A lane whose trial failed is left alone for this long, twice as long each time. */
const BACKOFF_MS = 60_000
const MAX_BACKOFF_MS = 3_600_000
/**
 * Trials in all, in blocks, that learning may take beside the requests of the lane that carries: 50 requests
 * with blocks of 10.
 */
const LEARNING_BLOCKS = 4
/**
 * A lane that takes this many times as long is tried that much less often, and no lane less often than that.
 */
const MAX_RATIO = 100

/**
 * Valid transitions: none -> preparing -> steering -> none; preparing -> none when the lane cannot be had, or
 * may not be used any more.
 * - preparing: connections are made in the background; no request knows of it.
 * - steering: the next `left` requests that may be sent twice go over the lane; it ends when all of them
 *   reported how it was.
 */
type TrialState =
  | { readonly name: 'none' }
  | {
      readonly name: 'preparing'
      readonly lane: LaneName
      readonly requests: number
      activeMs: number
      lastAt: number
    }
  | {
      readonly name: 'steering'
      readonly lane: LaneName
      requests: number
      left: number
      seen: number
      failures: number
      activeMs: number
      lastAt: number
    }

interface LaneRecord {
  /** Requests that the origin had had when it was tried last. */
  triedAtRequest: number
  notBefore: number
  failures: number
  because: string
}

const NONE: TrialState = { name: 'none' }

/**
 * One trial at a time, and what trials may cost. Two budgets:
 * - learning: blocks of requests that find out which lane is best at all, spent once (and again after the
 *   network changed);
 * - exploring: each request adds `exploreShare` of a request. A lane that takes three times as long pays
 *   three for each request, so that the share holds for the time of all requests, too. One block stays in
 *   reserve for a lane that looks better and must show it again.
 */
export class LaneTrials {
  readonly #share: number
  readonly #block: number
  #state: TrialState = NONE
  #requests = 0
  #budget: number
  #learning: number
  /** What each request of the trial under way takes from the exploring budget; 0: it is learning's. */
  #price = 0
  readonly #records = new Map<LaneName, LaneRecord>()

  constructor(exploreShare: number, trialRequests: number) {
    this.#share = exploreShare
    this.#block = trialRequests
    this.#budget = trialRequests
    this.#learning = LEARNING_BLOCKS * trialRequests
  }

  /** What is tried, or prepared to be. */
  get lane(): LaneName | undefined {
    return this.#state.name === 'none' ? undefined : this.#state.lane
  }

  /** Requests are steered, or steered ones are under way. */
  get isSteering(): boolean {
    return this.#state.name === 'steering'
  }

  /** Samples that the trial under way has, for people. */
  get progress(): string | undefined {
    const state = this.#state
    if (state.name === 'none') return undefined
    return state.name === 'preparing'
      ? 'a trial is being prepared'
      : `a trial: ${state.seen} of ${state.requests} requests`
  }

  /** Blocks that learning may still begin. */
  get learningBlocks(): number {
    return this.#share > 0 ? Math.floor(this.#learning / this.#block) : 0
  }

  /** Requests that learning's trials have steered. */
  get learningSpent(): number {
    return LEARNING_BLOCKS * this.#block - this.#learning
  }

  /** A request is about to go. The lane that it is steered over, or undefined. */
  next(mayTry: boolean, now: number): LaneName | undefined {
    this.#requests += 1
    const most = (1 + MAX_RATIO) * this.#block
    this.#budget = this.#budget + this.#share < most ? this.#budget + this.#share : most
    const state = this.#state
    if (state.name !== 'steering' || !mayTry || state.left === 0) return undefined
    if (tick(state, now) > TRIAL_MS) return undefined
    state.left -= 1
    this.#budget -= this.#price
    if (this.#price === 0) this.#learning -= 1
    return state.lane
  }

  /** The trial under way has reported enough: what it has not steered yet goes where the rest goes. */
  cut(): void {
    const state = this.#state
    if (state.name !== 'steering') return
    state.requests -= state.left
    state.left = 0
  }

  /**
   * True: the trial ended with this, one way or another. `isCrowded`: others wait for their trial; then a
   * quarter of the requests have to report before the next one is prepared, and the rest report while it is.
   */
  onSample(sample: ExchangeSample, isCrowded: boolean, now: number): boolean {
    const state = this.#state
    if (state.name === 'none') return false
    const activeMs = tick(state, now)
    if (state.name === 'preparing') {
      if (activeMs <= PREPARE_MS) return false
      this.leaveAlone(state.lane, 'no connection was made in time', now)
      return true
    }
    if (sample.lane === state.lane) {
      state.seen += 1
      if (sample.failed) state.failures += 1
      if (state.failures >= MAX_FAILURES) {
        this.leaveAlone(state.lane, `${state.failures} requests of its last trial failed`, now)
        return true
      }
    }
    const isEnough = isCrowded && state.left === 0 && state.seen >= state.requests / 4
    if (state.seen < state.requests && !isEnough && activeMs <= TRIAL_MS) return false
    if (state.seen === 0) {
      this.leaveAlone(state.lane, 'its last trial carried no request', now)
      return true
    }
    this.#recordOf(state.lane).failures = 0
    this.#state = NONE
    return true
  }

  /**
   * Never before the lane that carries is measured itself. `ratio`: times the incumbent's time that a request
   * takes, as far as known. `warmUp`: requests beside the block whose times will say little.
   */
  begin(lane: LaneName, budget: 'learning' | 'exploring', ratio: number, now: number, warmUp = 0): void {
    if (this.#state.name !== 'none') throw new Error('a trial begins while another one is under way')
    this.#price = budget === 'learning' ? 0 : clampRatio(ratio)
    this.#state = { name: 'preparing', lane, requests: this.#block + warmUp, activeMs: 0, lastAt: now }
    this.#recordOf(lane).triedAtRequest = this.#requests
  }

  /** The lane has open connections. */
  onReady(lane: LaneName, now: number): void {
    if (this.#state.name !== 'preparing' || this.#state.lane !== lane) return
    this.#state = {
      name: 'steering',
      lane,
      requests: this.#state.requests,
      left: this.#state.requests,
      seen: 0,
      failures: 0,
      activeMs: 0,
      lastAt: now,
    }
  }

  /** True: that was what was prepared. */
  onUnavailable(lane: LaneName, because: string, now: number): boolean {
    if (this.lane !== lane) return false
    this.leaveAlone(lane, because, now)
    return true
  }

  /** It may not carry any more, or carries everything: nothing is to be tried, and nobody is to blame. */
  cancel(): void {
    this.#state = NONE
  }

  /** The lane is not left alone just now. */
  isAllowed(lane: LaneName, now: number): boolean {
    return this.#share > 0 && now >= this.#recordOf(lane).notBefore
  }

  /** What it is left alone for, and for how long yet. */
  leftAlone(lane: LaneName, now: number): { because: string; forMs: number } | undefined {
    const { notBefore, because } = this.#recordOf(lane)
    return now < notBefore ? { because, forMs: notBefore - now } : undefined
  }

  /** A challenger may show once more that it is better. */
  mayVerify(ratio: number): boolean {
    return this.#budget >= this.#block * clampRatio(ratio)
  }

  /** A lane may be looked at again, though nothing speaks for it. */
  mayExplore(lane: LaneName, ratio: number): boolean {
    const price = this.#block * clampRatio(ratio)
    const since = this.#requests - this.#recordOf(lane).triedAtRequest
    return this.#budget >= price + this.#block && since * this.#share >= price
  }

  /** It is not tried for some time, twice as long with each call in a row. */
  leaveAlone(lane: LaneName, because: string, now: number): void {
    const record = this.#recordOf(lane)
    const forMs = Math.min(MAX_BACKOFF_MS, BACKOFF_MS * 2 ** record.failures)
    record.failures += 1
    record.notBefore = now + forMs
    record.because = because
    if (this.lane === lane) this.#state = NONE
  }

  /** What was learned is of no use any more. */
  startOver(): void {
    this.#state = NONE
    this.#learning = LEARNING_BLOCKS * this.#block
    this.#records.clear()
  }

  #recordOf(lane: LaneName): LaneRecord {
    let record = this.#records.get(lane)
    if (record === undefined) {
      record = { triedAtRequest: 0, notBefore: -Infinity, failures: 0, because: '' }
      this.#records.set(lane, record)
    }
    return record
  }
}

/** How long the trial has been under way while there was something to do. */
function tick(state: { activeMs: number; lastAt: number }, now: number): number {
  const passed = now - state.lastAt
  state.activeMs += passed < PAUSE_MS ? Math.max(0, passed) : PAUSE_MS
  state.lastAt = now
  return state.activeMs
}

function clampRatio(ratio: number): number {
  return Math.min(MAX_RATIO, Math.max(1, ratio))
}
