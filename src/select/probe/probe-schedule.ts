/**
 * What a probe came to: `found` something that was worth looking for, `nothing`, or it was `given-up` before
 * it could tell.
 */
export type ProbeOutcome = 'found' | 'nothing' | 'given-up'

export interface ProbeScheduleOptions {
  /** After a find, and after the first probe that found nothing. `probeIntervalMs` of the options. */
  readonly intervalMs: number
  readonly budget: ProbeBudget
  /** What snapshot() gave. Values that make no sense are not taken over. */
  readonly snapshot?: ProbeScheduleSnapshot | undefined
  /** When the snapshot holds: `dueInMs` counts from here. Default 0. */
  readonly snapshotAt?: number
}

/** Plain JSON. */
export interface ProbeScheduleSnapshot {
  /** Probes in a row that found nothing. */
  readonly emptyInRow: number
  /** From the time of the snapshot; 0 or less: now. */
  readonly dueInMs: number
}

/**
 * - `waiting`: the next probe may start at `dueAt`. The first state, with `dueAt` in the past. Valid
 *   transitions: waiting (with another `dueAt`, by new evidence or another network), running
 * - `running`: a probe is under way; `isStale`: the network has changed since it started. Valid transitions:
 *   running (stale), waiting
 */
type State =
  | { readonly name: 'waiting'; readonly dueAt: number }
  | { readonly name: 'running'; readonly isStale: boolean }

/** A day: nobody is asked less often than that, unless the interval is longer. */
const MAX_BACKOFF_MS = 86_400_000
/** A probe that was given up says nothing, but is not begun again in the same breath. */
const GIVEN_UP_MS = 1_000
/**
 * New evidence does not start a probe so soon after another: a peer may write new evidence into every
 * response.
 */
const EVIDENCE_GAP_MS = 10_000

/**
 * When the background probe of one origin may start: one at a time, within the budget that all origins share,
 * `intervalMs` after the last one, and twice as long after each further one that found nothing, up to a day.
 */
export class ProbeSchedule {
  readonly #intervalMs: number
  readonly #budget: ProbeBudget
  #state: State = { name: 'waiting', dueAt: Number.NEGATIVE_INFINITY }
  #emptyInRow = 0
  #endedAt = Number.NEGATIVE_INFINITY

  constructor({ intervalMs, budget, snapshot, snapshotAt = 0 }: ProbeScheduleOptions) {
    this.#intervalMs = intervalMs
    this.#budget = budget
    if (snapshot === undefined) return
    const { emptyInRow, dueInMs } = snapshot
    if (!Number.isSafeInteger(emptyInRow) || emptyInRow < 0 || !Number.isFinite(dueInMs)) return
    this.#emptyInRow = emptyInRow
    // A clock that jumped, or an interval that is shorter now, must not silence the probe for longer than it
    // would wait by itself.
    this.#wait(snapshotAt + Math.min(dueInMs, this.#delayMs()))
  }

  mayStart(now: number): boolean {
    return this.#state.name === 'waiting' && now >= this.#state.dueAt && this.#budget.hasRoom
  }

  /** When it is due; with a full budget it starts later. Undefined: one is under way. */
  get nextAt(): number | undefined {
    return this.#state.name === 'waiting' ? this.#state.dueAt : undefined
  }

  /** Throws unless mayStart(now). */
  onStarted(now: number): void {
    if (!this.mayStart(now)) throw new Error('a probe may not start now')
    this.#budget.onStarted()
    this.#state = { name: 'running', isStale: false }
  }

  /** The probe under way has ended, however that was: each onStarted needs one. */
  onEnded(outcome: ProbeOutcome, now: number): void {
    if (this.#state.name !== 'running') throw new Error('no probe is under way')
    this.#budget.onEnded()
    this.#endedAt = now
    // It looked over a network that is gone, in part at least.
    if (this.#state.isStale) return this.#wait(now)
    if (outcome === 'given-up') return this.#wait(now + GIVEN_UP_MS)
    this.#emptyInRow = outcome === 'found' ? 0 : this.#emptyInRow + 1
    this.#wait(now + this.#delayMs())
  }

  /** Nothing that was found, or was not, need be so any more. */
  onNetworkChange(now: number): void {
    this.#emptyInRow = 0
    if (this.#state.name === 'running') this.#state = { name: 'running', isStale: true }
    else this.#wait(now)
  }

  /**
   * Something new speaks for a look. A probe that is under way may be where it comes from: then no other
   * follows at once.
   */
  onEvidence(now: number): void {
    this.#emptyInRow = 0
    if (this.#state.name !== 'waiting') return
    this.#wait(Math.min(this.#state.dueAt, Math.max(now, this.#endedAt + EVIDENCE_GAP_MS)))
  }

  snapshot(now: number): ProbeScheduleSnapshot {
    const dueInMs = this.#state.name === 'waiting' ? Math.max(0, this.#state.dueAt - now) : 0
    return { emptyInRow: this.#emptyInRow, dueInMs }
  }

  #wait(dueAt: number): void {
    this.#state = { name: 'waiting', dueAt }
  }

  #delayMs(): number {
    const doubled = this.#intervalMs * 2 ** Math.max(0, this.#emptyInRow - 1)
    return Math.max(this.#intervalMs, Math.min(doubled, MAX_BACKOFF_MS))
  }
}

/** How many background probes may run at once, over all origins. */
export class ProbeBudget {
  readonly #maxRunning: number
  #running = 0

  constructor(maxRunning = 4) {
    this.#maxRunning = maxRunning
  }

  get hasRoom(): boolean {
    return this.#running < this.#maxRunning
  }

  get running(): number {
    return this.#running
  }

  onStarted(): void {
    if (!this.hasRoom) throw new Error(`${this.#running} probes run already`)
    this.#running++
  }

  onEnded(): void {
    if (this.#running === 0) throw new Error('no probe runs')
    this.#running--
  }
}
