import type { Clock, Timer } from '../../base/clock.ts'
import { asTransportError } from '../../base/errors.ts'
import type { ProbeFault } from '../../base/events/probe-report.ts'
import { guardedListener } from '../../base/guard.ts'

/**
 * What a probe came to: `found` something that was worth looking for, `nothing`, or it was `given-up` before
 * it could tell.
 */
export type ProbeOutcome = 'found' | 'nothing' | 'given-up'

interface ProbeScheduleOptions {
  /** After a find, and after the first probe that found nothing. `probeIntervalMs` of the options. */
  readonly intervalMs: number
  readonly budget: ProbeBudget
  /** What snapshot() gave. Values that make no sense are not taken over. */
  readonly snapshot?: ProbeScheduleSnapshot | undefined
  /** When the snapshot holds: `dueInMs` counts from here. Default 0. */
  readonly snapshotAt?: number
}

/** Plain JSON. */
interface ProbeScheduleSnapshot {
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

interface ProbeTurnsOptions {
  readonly clock: Clock
  /** For everything together. */
  readonly timeoutMs: number
  /** Tasks that run at once. */
  readonly maxParallel: number
}

/**
 * The budget of one probe: how much it does at once, and how long in all. A task that fails is a fault of
 * that task; when time is up, or the caller gives up, every task ends, also one that does not listen to its
 * signal. `end()` when the probe is over.
 */
export class ProbeTurns {
  readonly #options: ProbeTurnsOptions
  readonly #caller: AbortSignal
  readonly #tasks = new AbortController()
  readonly #ended: Promise<undefined>
  readonly #timer: Timer
  #end: () => void = () => {}
  #isOver = false
  #running = 0
  /** Those that wait for their turn, first come first. A probe has few tasks: shift() is cheap. */
  readonly #waiting: (() => void)[] = []

  constructor(options: ProbeTurnsOptions, caller: AbortSignal) {
    this.#options = options
    this.#caller = caller
    this.#ended = new Promise(resolve => {
      this.#end = () => resolve(undefined)
    })
    this.#timer = options.clock.setTimer(options.timeoutMs, this.#onOver)
    caller.addEventListener('abort', this.#onOver, { once: true })
  }

  /** Runs it when it is its turn. Never rejects. */
  async run<F>(task: (signal: AbortSignal) => Promise<F>): Promise<F | ProbeFault> {
    if (this.#isOver) return this.#tooLate()
    if (this.#running < this.#options.maxParallel) {
      this.#running++
    } else {
      await new Promise<void>(resolve => {
        this.#waiting.push(resolve)
      })
      if (this.#isOver) return this.#tooLate()
    }
    try {
      return (await Promise.race([task(this.#tasks.signal), this.#ended])) ?? this.#tooLate()
    } catch (cause) {
      if (this.#isOver) return this.#tooLate() // it listened to its signal
      const { message, code, hint } = asTransportError(cause)
      return { fault: message, code, hint }
    } finally {
      // Handed on, so that nobody who comes between takes it.
      const next = this.#waiting.shift()
      if (next === undefined) this.#running--
      else next()
    }
  }

  /** Whatever still runs is asked to stop. */
  end(): void {
    this.#onOver()
  }

  readonly #onOver = guardedListener(
    'the end of a probe',
    () => {
      if (this.#isOver) return
      this.#isOver = true
      this.#timer.cancel()
      this.#caller.removeEventListener('abort', this.#onOver)
      this.#end()
      this.#tasks.abort()
      for (const wake of this.#waiting.splice(0)) wake()
    },
    () => this.#end(),
  )

  #tooLate(): ProbeFault {
    return { fault: `not known within the ${this.#options.timeoutMs} ms that a probe has` }
  }
}
