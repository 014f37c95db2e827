import type { Clock, Timer } from '../../base/clock.ts'
import type { ObjectiveStatus } from '../../base/events/objective.ts'
import type { Observer } from '../../base/events/observer.ts'
import { guarded } from '../../base/guard.ts'
import type { Origin } from '../../base/http/origin.ts'
import type { ObjectiveOptions } from '../../base/options/objective-options.ts'
import { CounterWindow } from './counter-window.ts'
import {
  difference,
  type Economy,
  type EconomyCounters,
  type EconomyFigures,
  economyFigures,
  NO_COUNTERS,
} from './economy-figures.ts'
import { judgeObjective } from './objective.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const STEP_MS = 5_000

export interface OriginEconomyParts {
  readonly origin: Origin
  readonly objective: ObjectiveOptions
  /** The mode `never`. */
  readonly isReuseOff: boolean
  readonly clock: Clock
  readonly observer: Observer
  /** As they stand now. */
  readonly counters: (now: number) => EconomyCounters
}

/**
 * How few connections carry an origin's requests: over the last minute, the last hour and since the start,
 * held against the objective. It looks at the counters every 5 s while requests come, and until a window
 * after the last.
 */
export class OriginEconomy {
  readonly #parts: OriginEconomyParts
  readonly #startedAt: number
  readonly #minute = new CounterWindow<EconomyCounters>(STEP_MS, MINUTE_MS / STEP_MS)
  readonly #hour = new CounterWindow<EconomyCounters>(MINUTE_MS, HOUR_MS / MINUTE_MS)
  #timer: Timer | undefined
  #status: ObjectiveStatus
  #lastRequests = 0
  #lastChangeAt: number

  constructor(parts: OriginEconomyParts) {
    const { objective, clock } = parts
    this.#parts = parts
    this.#timer = undefined
    this.#startedAt = clock.now()
    this.#lastChangeAt = this.#startedAt
    this.#status = judgeObjective(objective, undefined, parts.isReuseOff)
    this.#minute.add(NO_COUNTERS, this.#startedAt)
    this.#hour.add(NO_COUNTERS, this.#startedAt)
  }

  /** A request came. On the way of every request. */
  onRequest(now: number): void {
    if (this.#timer !== undefined) return
    this.#lastChangeAt = now
    this.#timer = this.#parts.clock.setTimer(STEP_MS, this.#onTimer)
  }

  /** Of the last window that is over. */
  get objective(): ObjectiveStatus {
    return this.#status
  }

  figures(now: number): Economy {
    const counters = this.#parts.counters(now)
    return {
      lastMinute: this.#figuresOf(this.#minute, MINUTE_MS, counters, now),
      lastHour: this.#figuresOf(this.#hour, HOUR_MS, counters, now),
      sinceStart: economyFigures(counters, (now - this.#startedAt) / 1000),
    }
  }

  close(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #figuresOf(
    window: CounterWindow<EconomyCounters>,
    windowMs: number,
    counters: EconomyCounters,
    now: number,
  ): EconomyFigures {
    const from = window.before(windowMs, now) ?? { at: this.#startedAt, counters: NO_COUNTERS }
    return economyFigures(difference(from.counters, counters), (now - from.at) / 1000)
  }

  readonly #onTimer = (): void => {
    this.#timer = undefined
    guarded('the figures of an origin', () => this.#look(this.#parts.clock.now()))
  }

  #look(now: number): void {
    const { objective, clock } = this.#parts
    const counters = this.#parts.counters(now)
    this.#minute.add(counters, now)
    this.#hour.add(counters, now)
    if (counters.requests !== this.#lastRequests) {
      this.#lastRequests = counters.requests
      this.#lastChangeAt = now
    }
    this.#judge(counters, now)
    // Nothing comes any more, and the windows in which something did are over.
    if (now - this.#lastChangeAt > HOUR_MS + objective.windowMs) return
    this.#timer = clock.setTimer(STEP_MS, this.#onTimer)
  }

  #judge(counters: EconomyCounters, now: number): void {
    const { origin, objective, isReuseOff, observer } = this.#parts
    const window = objective.windowMs <= MINUTE_MS ? this.#minute : this.#hour
    const from = window.before(objective.windowMs, now)
    const before = this.#status
    const counted = from && difference(from.counters, counters)
    this.#status = judgeObjective(objective, counted, isReuseOff)
    const { state } = this.#status
    const wasMissed = before.state === 'missed'
    if (state === 'unknown' && wasMissed)
      this.#status = before // nobody comes: it stands
    else if ((state === 'missed') !== wasMissed) observer({ type: 'objective', origin, status: this.#status })
  }
}
