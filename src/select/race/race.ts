import type { Clock, Timer } from '../../base/clock.ts'
import type { TransportError } from '../../base/errors.ts'
import type { RaceEvent } from '../../base/events/observer.ts'
import { guardedListener } from '../../base/guard.ts'
import { type RaceAction, type RaceEntrant, RaceState } from './race-state.ts'

/** What a race asks for, by the index of the entrant, and what it says in the end: won or lost, once. */
export interface RaceHost {
  /** The lane answers by got() or failed(), perhaps before this returns. */
  ask(entrant: number): void
  withdraw(entrant: number): void
  onWon(entrant: number): void
  onLost(error: TransportError): void
}

/** Starts the lanes of a request on time: does what RaceState decides. */
export class Race {
  readonly #state: RaceState
  readonly #clock: Clock
  readonly #host: RaceHost
  #timer: Timer | undefined

  constructor(entrants: readonly RaceEntrant[], clock: Clock, host: RaceHost) {
    this.#state = new RaceState(entrants)
    this.#clock = clock
    this.#host = host
  }

  get events(): readonly RaceEvent[] {
    return this.#state.events
  }

  start(): void {
    this.#run(this.#state.onStart(this.#clock.now()))
  }

  /** A connection is there. False: it comes too late, and whoever has it gives it back. */
  got(entrant: number): boolean {
    const actions = this.#state.onGot(entrant, this.#clock.now())
    this.#run(actions)
    return actions.length > 0
  }

  failed(entrant: number, error: TransportError): void {
    this.#run(this.#state.onFailed(entrant, error, this.#clock.now()))
  }

  /** Nobody is notified anything any more. */
  abort(): void {
    this.#run(this.#state.onAbort(this.#clock.now()))
    this.#forgetTimer()
  }

  readonly #onTimer = guardedListener(
    'a race of lanes',
    () => {
      this.#timer = undefined
      this.#run(this.#state.onTimer(this.#clock.now()))
    },
    fault => this.#host.onLost(fault),
  )

  /**
   * A lane that answers within ask() has its actions done before the rest of those that asked it: a timer of
   * theirs may be set after the one that cleared it.
   */
  #forgetTimer(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #run(actions: readonly RaceAction[]): void {
    for (const action of actions) {
      switch (action.type) {
        case 'ask':
          if (!this.#state.isOver) this.#host.ask(action.entrant) // one before it may have answered at once
          break
        case 'withdraw':
          this.#host.withdraw(action.entrant)
          break
        case 'setTimer':
          this.#timer?.cancel()
          if (this.#state.isOver) break
          this.#timer = this.#clock.setTimer(action.delayMs, this.#onTimer)
          break
        case 'clearTimer':
          this.#forgetTimer()
          break
        case 'won':
          this.#forgetTimer()
          this.#host.onWon(action.entrant)
          break
        case 'lost':
          this.#forgetTimer()
          this.#host.onLost(action.error)
          break
      }
    }
  }
}
