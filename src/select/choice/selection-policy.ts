import type { Decision } from '../../base/events/decision.ts'
import type { LaneName } from '../../base/http/protocol.ts'
import { Challengers, RuleWatch } from './challengers.ts'
import type { ChoiceAction, ChooserConfig } from './choice-action.ts'
import { decideLane, LAST_RESORT, type Verdict } from './decide-lane.ts'
import { decisionOf, type TrialNote } from './decision-text.ts'
import type { Estimate } from './estimate.ts'
import type { LaneEstimates, Workload } from './lane-estimates.ts'
import { contends, isHopeless, type PolicyOptions, policyBest } from './lane-preference.ts'
import {
  type EstimatedLane,
  hasFigures,
  isComparable,
  type LaneCandidate,
  type LaneSnapshot,
  laneSnapshots,
} from './lane-snapshot.ts'
import type { LaneTrials } from './lane-trials.ts'
import {
  lanesToLearn,
  planExploring,
  planLearning,
  type TrialSituation,
  trialConnections,
  trialWarmUp,
  trialWorth,
} from './trial-plan.ts'
import { Turns } from './turns.ts'

const NOTHING: readonly ChoiceAction[] = []

/**
 * Of a trial's requests: so many the lane that carries must have had before another one is tried. It gets
 * more while connections for trials are made, so that all of learning takes 50 requests with trials of 10.
 */
const FIRST_SHARE = 0.7

/**
 * Looks at all figures together, decides, and says what is to be tried. Called when something changed, and
 * every so often, not per request.
 */
export class SelectionPolicy {
  readonly #config: ChooserConfig
  readonly #policyOptions: PolicyOptions
  readonly #estimates: Readonly<Record<LaneName, LaneEstimates>>
  readonly #workload: Workload
  readonly #trials: LaneTrials
  readonly #challengers: Challengers
  readonly #rules: RuleWatch
  readonly #risk = new PathRisk()
  readonly #turns: Turns
  /** Lanes that have had a connection. */
  readonly #opened = new Set<LaneName>()
  /** Lanes of which a first choice took account. */
  readonly #learned = new Set<LaneName>()
  #preference: readonly LaneName[]
  #estimatedLanes: readonly EstimatedLane[] = []
  #eligible = 0
  /** Candidates changed since the last evaluation. */
  #isNews = false
  /** Undefined: no lane was ever there to be taken. */
  #incumbent: LaneName | undefined
  #isLearning = true
  #decision: Decision

  constructor(
    config: ChooserConfig,
    estimates: Readonly<Record<LaneName, LaneEstimates>>,
    workload: Workload,
    trials: LaneTrials,
    now: number,
  ) {
    const { policy, minGain, exploreShare, trialRequests, sustainMs } = config.options
    this.#config = config
    this.#policyOptions = { policy, minGain: Math.min(0.99, minGain) }
    this.#estimates = estimates
    this.#workload = workload
    this.#trials = trials
    this.#challengers = new Challengers(sustainMs, exploreShare > 0 ? Math.ceil(trialRequests / 2) : 0)
    this.#rules = new RuleWatch(sustainMs)
    this.#turns = new Turns(trialRequests)
    this.#preference = config.firstPreference
    this.#decision = this.#build(this.#decide([], 'learning', now), [], now)
  }

  get lane(): LaneName {
    return this.#incumbent ?? LAST_RESORT
  }

  /** The lane that was chosen by measurement, or undefined. */
  get chosen(): LaneName | undefined {
    return this.#isLearning ? undefined : this.#incumbent
  }

  get isLearning(): boolean {
    return this.#isLearning
  }

  get decision(): Decision {
    return this.#decision
  }

  describe(now: number): Decision {
    const { lane, rule, because, at } = this.#decision
    const snapshots = this.#snapshots(now)
    const latest = this.#decide(snapshots, this.#isLearning ? 'learning' : 'settled', now)
    // The reason has its figures: those of now, as long as it is the same one.
    const isSame = latest.lane === lane && latest.rule === rule
    return {
      ...this.#build({ lane, rule, because: isSame ? latest.because : () => because }, snapshots, now),
      at,
    }
  }

  setCandidates(candidates: readonly LaneCandidate[]): void {
    this.#estimatedLanes = candidates.map(one => ({ ...one, estimates: this.#estimates[one.lane] }))
    this.#eligible = candidates.filter(({ isEligible }) => isEligible).length
    this.#isNews = true
    const tried = this.#trials.lane
    if (tried !== undefined && !candidates.some(({ lane, isEligible }) => lane === tried && isEligible))
      this.#trials.cancel()
  }

  /** A connection of the lane was made. */
  onOpened(lane: LaneName): void {
    this.#opened.add(lane)
  }

  /** The incumbent carried an exchange. */
  onCarried(): void {
    this.#turns.onCarried()
  }

  /** A trial of the lane ended. */
  onTried(lane: LaneName, now: number): void {
    this.#turns.onTried(lane)
    if (!this.#isLearning) return
    const snapshots = this.#snapshots(now)
    const current = snapshots.find(snapshot => snapshot.lane === this.#incumbent)
    const rival = snapshots.find(snapshot => snapshot.lane === lane)
    if (current === undefined || rival === undefined || !this.#mustWait(rival, current)) return
    if (isComparable(current) && this.#turns.isWarmingUp(current)) current.estimates.fade()
  }

  /** While learning: other lanes wait to be measured at all. */
  isCrowded(tried: LaneName, now: number): boolean {
    const situation = this.#isLearning ? this.#situation(this.#snapshots(now)) : undefined
    if (situation === undefined || this.#trials.learningBlocks === 0) return false
    return lanesToLearn(situation, now).some(({ lane, isMeasured }) => lane !== tried && !isMeasured)
  }

  /** It is so much slower that its trial need not go on. */
  isHopeless(tried: LaneName, now: number): boolean {
    const snapshots = this.#snapshots(now)
    const current = snapshots.find(({ lane }) => lane === this.#incumbent)
    const rival = snapshots.find(({ lane }) => lane === tried)
    return hasFigures(rival) && hasFigures(current) && isHopeless(rival, current)
  }

  /** What QUIC lost, as it is now. */
  onLoss(loss: Estimate): void {
    this.#risk.onLoss(loss)
  }

  /**
   * `lane`: what carried where the figures come from; a better guess than any order while nothing newer is
   * known.
   */
  onRestored(lane: LaneName | undefined, now: number): void {
    if (lane !== undefined) this.#preference = [lane, ...this.#preference.filter(other => other !== lane)]
    for (const [name, estimates] of Object.entries(this.#estimates))
      if (estimates.isMeasured(now)) this.#learned.add(name as LaneName) // the keys of that record
  }

  /** Figures that there are stay; what they were enough for does not. */
  learnAnew(): void {
    this.#risk.onNetworkChanged()
    this.#learned.clear()
    this.#challengers.clear()
    this.#trials.startOver()
    this.#isLearning = true
    this.#turns.startOver()
  }

  /** What to do now; nearly always nothing. */
  evaluate(now: number): readonly ChoiceAction[] {
    // With an origin that has one lane nothing is to be weighed.
    if (this.#eligible < 2 && !this.#isNews) return NOTHING
    this.#isNews = false
    const actions: ChoiceAction[] = []
    const snapshots = this.#snapshots(now)
    this.#judge(snapshots, now)
    const phase = this.#phase(snapshots, now)
    if (this.#apply(this.#decide(snapshots, phase, now), snapshots, now))
      actions.push({ type: 'decided', decision: this.#decision })
    if (phase === 'first-choice') this.#endLearning(snapshots)
    const trial = this.#beginTrial(snapshots, now)
    if (trial !== undefined) actions.push(trial)
    return actions
  }

  /** Which of the others look better than the incumbent. */
  #judge(snapshots: readonly LaneSnapshot[], now: number): void {
    const current = snapshots.find(({ lane }) => lane === this.#incumbent)
    for (const snapshot of snapshots) {
      if (snapshot === current) continue
      const isBetter =
        !this.#isLearning &&
        snapshot.isEligible &&
        !snapshot.isFailing &&
        current !== undefined &&
        isComparable(snapshot) &&
        isComparable(current) &&
        contends(snapshot, current, this.#policyOptions)
      this.#challengers.onJudged(snapshot.lane, isBetter, snapshot.estimates.ttfb.samples, now)
    }
  }

  /**
   * Learning ends when nothing is left to be learned, or nothing left to pay it with. A candidate that is new
   * begins it again.
   */
  #phase(snapshots: readonly LaneSnapshot[], now: number): 'learning' | 'first-choice' | 'settled' {
    const situation = this.#situation(snapshots)
    if (situation === undefined) return this.#isLearning ? 'learning' : 'settled'
    const more = this.#trials.learningBlocks > 0 ? lanesToLearn(situation, now) : []
    if (!this.#isLearning) {
      this.#isLearning = more.some(snapshot => !isComparable(snapshot))
      return this.#isLearning ? 'learning' : 'settled'
    }
    const isUnderWay = this.#trials.lane !== undefined
    const others = snapshots.filter(({ lane, isEligible }) => isEligible && lane !== this.#incumbent)
    const isComparing = isComparable(situation.current) && others.some(isComparable)
    const isWaiting = others.some(other => this.#mustWait(other, situation.current))
    return isComparing && !isUnderWay && !isWaiting && more.length === 0 ? 'first-choice' : 'learning'
  }

  /** While learning: the lane looks better than what carries, which was not measured after it. */
  #mustWait(rival: LaneSnapshot, current: LaneSnapshot): boolean {
    if (!isComparable(rival) || !isComparable(current)) return false
    if (policyBest([current, rival], current, this.#policyOptions) === current) return false
    return this.#turns.mustWait(rival, current, this.#trials.learningSpent)
  }

  #endLearning(snapshots: readonly LaneSnapshot[]): void {
    this.#isLearning = false
    for (const snapshot of snapshots) if (isComparable(snapshot)) this.#learned.add(snapshot.lane)
  }

  #decide(
    snapshots: readonly LaneSnapshot[],
    phase: 'learning' | 'first-choice' | 'settled',
    now: number,
  ): Verdict {
    return decideLane({
      snapshots,
      incumbent: this.#incumbent,
      preference: this.#preference,
      policyOptions: this.#policyOptions,
      sustainMs: this.#config.options.sustainMs,
      phase,
      isCarrying: this.#incumbent !== undefined && this.#opened.has(this.#incumbent),
      tried: this.#trials.isSteering ? this.#trials.lane : undefined,
      mustWait: (rival, current) => this.#turns.mustWait(rival, current, this.#trials.learningSpent),
      holds: lane => this.#challengers.holds(lane, this.#estimates[lane].ttfb.samples, now),
    })
  }

  /** True: there is a new decision. */
  #apply(verdict: Verdict, snapshots: readonly LaneSnapshot[], now: number): boolean {
    const { lane, rule } = verdict
    const left = this.#incumbent
    const mayCarry = snapshots.some(snapshot => snapshot.lane === lane && snapshot.isEligible)
    this.#incumbent = mayCarry ? lane : undefined
    if (left !== undefined && left !== this.#incumbent) {
      this.#challengers.onChanged(left, now)
      this.#turns.onChanged()
      if (rule === 'failing') this.#trials.leaveAlone(left, 'it failed while it carried', now)
    }
    if (this.#trials.lane === lane) this.#trials.cancel()
    if (lane !== this.#decision.lane) this.#rules.reset()
    else if (!this.#rules.isNews(rule, this.#decision.rule, now)) return false
    this.#decision = this.#build(verdict, snapshots, now)
    return true
  }

  #beginTrial(snapshots: readonly LaneSnapshot[], now: number): ChoiceAction | undefined {
    const { trialRequests, spreadConnections } = this.#config.options
    const situation = this.#situation(snapshots)
    if (situation === undefined || this.#trials.lane !== undefined) return undefined
    // What a trial is compared with is known first, or will be when its connections are made.
    const underWay = Math.round(this.#workload.concurrency.mean) - 1
    if (situation.current.prediction === undefined || this.#turns.carried === 0) return undefined
    if (this.#turns.carried + underWay < trialRequests * FIRST_SHARE) return undefined
    const plan = this.#isLearning ? planLearning(situation, now) : planExploring(situation, now)
    const snapshot = snapshots.find(({ lane }) => lane === plan?.lane)
    if (plan === undefined || snapshot === undefined) return undefined
    this.#trials.begin(plan.lane, plan.budget, plan.ratio, now, trialWarmUp(this.#workload, trialRequests))
    return {
      type: 'prepareTrial',
      lane: plan.lane,
      connections: trialConnections(snapshot, spreadConnections),
    }
  }

  #situation(snapshots: readonly LaneSnapshot[]): TrialSituation | undefined {
    const current = snapshots.find(({ lane }) => lane === this.#incumbent)
    if (current === undefined) return undefined
    return {
      snapshots,
      current,
      workload: this.#workload,
      preference: this.#preference,
      policyOptions: this.#policyOptions,
      learned: this.#learned,
      trials: this.#trials,
      turns: this.#turns,
      challengers: this.#challengers,
    }
  }

  #snapshots(now: number): readonly LaneSnapshot[] {
    const { spreadConnections } = this.#config.options
    return laneSnapshots(this.#estimatedLanes, this.#workload, spreadConnections, this.#risk.isRisky, now)
  }

  #build(verdict: Verdict, snapshots: readonly LaneSnapshot[], now: number): Decision {
    const noteOf = (snapshot: LaneSnapshot): TrialNote => this.#note(snapshot, snapshots, now)
    return decisionOf(verdict, snapshots, noteOf, this.#policyOptions, now)
  }

  #note({ lane, estimates }: LaneSnapshot, snapshots: readonly LaneSnapshot[], now: number): TrialNote {
    const current = snapshots.find(snapshot => snapshot.lane === this.#incumbent)
    return {
      progress: this.#trials.lane === lane ? this.#trials.progress : undefined,
      leftAlone: this.#trials.leftAlone(lane, now),
      worth: trialWorth(lane, snapshots, this.#workload, current),
      held: this.#isLearning ? undefined : this.#challengers.holds(lane, estimates.ttfb.samples, now),
      areMade: this.#config.options.exploreShare > 0,
    }
  }
}

/**
 * Readings of what QUIC lost, of 16 exchanges each: at 1 % of losses, one in a thousand such rows has none.
 */
const READINGS = 24
/** Below, a way loses next to nothing; in between, what was said of it goes on. */
const CLEAN_RATIO = 0.001
const LOSSY_RATIO = 0.003

/**
 * Whether packets may get lost on the way to an origin, as far as is known. In the fifty requests of a first
 * choice nobody sees 1 % of losses: half of all such choices see none at all. And small responses over TCP
 * pay most for them: a lost last packet waits for a time-out of 200 ms or more (RFC 6298; Linux has that as
 * its least), over QUIC for a few round-trip times (RFC 9002 section 6.2). So a way is risky until enough has
 * been counted.
 *
 * Valid transitions: risky -> clean (so many packets, and next to none lost), clean -> risky (some are lost;
 * another network).
 */
export class PathRisk {
  #isRisky = true

  get isRisky(): boolean {
    return this.#isRisky
  }

  /** `loss`: of the lane that counts packets, as it is now. */
  onLoss(loss: Estimate): void {
    if (loss.mean >= LOSSY_RATIO) this.#isRisky = true
    else if (loss.samples >= READINGS && loss.mean < CLEAN_RATIO) this.#isRisky = false
  }

  onNetworkChanged(): void {
    this.#isRisky = true
  }
}
