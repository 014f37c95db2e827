import type { TransportError } from '../../base/errors.ts'
import type { RaceEvent } from '../../base/events/observer.ts'
import type { LaneName } from '../../base/http/protocol.ts'

/**
 * The race of lanes for one request that met no open connection (Happy Eyeballs v3 in spirit:
 * draft-ietf-happy-happyeyeballs-v3 races protocols and addresses; here each lane races its addresses by
 * itself). Theory of operation:
 *
 * 1. Entrants start in order, each at its own delay after the start of the race.
 * 2. When nothing is under way any more (all that started have failed), the next one starts at once.
 * 3. The first that gets a connection wins. The others are withdrawn: what they still make stays with their
 *    lanes.
 * 4. When all have failed the race is lost, with the error of the lane that every origin has (`tcp`), or else
 *    of the first.
 */
export interface RaceEntrant {
  readonly lane: LaneName
  /** After the start of the race. Not less than that of the one before it. */
  readonly startAfterMs: number
  /** Why it takes part, and at this place. */
  readonly because: string
}

export type RaceAction =
  /** Ask the lane of this entrant for a connection. */
  | { readonly type: 'ask'; readonly entrant: number }
  /** Its answer is of no interest any more. */
  | { readonly type: 'withdraw'; readonly entrant: number }
  /** Call onTimer after this; it replaces the one before. */
  | { readonly type: 'setTimer'; readonly delayMs: number }
  | { readonly type: 'clearTimer' }
  | { readonly type: 'won'; readonly entrant: number }
  | { readonly type: 'lost'; readonly error: TransportError }

/** `waiting`: not started. `asked`: no answer yet. */
type EntrantState = 'waiting' | 'asked' | 'failed' | 'withdrawn' | 'won'

export class RaceState {
  readonly #entrants: readonly RaceEntrant[]
  readonly #states: EntrantState[]
  readonly #errors: { readonly lane: LaneName; readonly error: TransportError }[] = []
  readonly #events: RaceEvent[] = []
  #startedAt = 0
  #isOver = false
  #timerAt: number | undefined

  constructor(entrants: readonly RaceEntrant[]) {
    this.#entrants = entrants
    this.#states = entrants.map(() => 'waiting')
  }

  get isOver(): boolean {
    return this.#isOver
  }

  /** What has happened, in order. */
  get events(): readonly RaceEvent[] {
    return this.#events
  }

  onStart(now: number): RaceAction[] {
    this.#startedAt = now
    const actions: RaceAction[] = []
    this.#startDue(now, actions)
    return actions
  }

  onTimer(now: number): RaceAction[] {
    this.#timerAt = undefined
    const actions: RaceAction[] = []
    if (!this.#isOver) this.#startDue(now, actions)
    return actions
  }

  /** The lane of an entrant has a connection for the request. Only one that was asked counts. */
  onGot(entrant: number, now: number): RaceAction[] {
    const actions: RaceAction[] = []
    if (this.#isOver || this.#states[entrant] !== 'asked') return actions
    this.#settle(entrant, 'won', now, 'the first to have a connection')
    this.#withdrawOthers(now, actions)
    this.#end(actions)
    actions.push({ type: 'won', entrant })
    return actions
  }

  onFailed(entrant: number, error: TransportError, now: number): RaceAction[] {
    const actions: RaceAction[] = []
    const lane = this.#entrants[entrant]?.lane
    if (this.#isOver || lane === undefined || this.#states[entrant] !== 'asked') return actions
    this.#errors.push({ lane, error })
    this.#settle(entrant, 'failed', now, error.message)
    if (this.#states.every(state => state === 'failed')) {
      this.#end(actions)
      actions.push({ type: 'lost', error: this.#verdict(error) }) // 4
    } else this.#startDue(now, actions)
    return actions
  }

  /** The request is not wanted any more. */
  onAbort(now: number): RaceAction[] {
    const actions: RaceAction[] = []
    if (this.#isOver) return actions
    this.#withdrawOthers(now, actions)
    this.#end(actions)
    return actions
  }

  /** Starts whatever is due, and asks to be called for the next one. */
  #startDue(now: number, actions: RaceAction[]): void {
    this.#entrants.forEach((entrant, index) => {
      if (this.#states[index] !== 'waiting') return
      const isDue = now - this.#startedAt >= entrant.startAfterMs // 1
      if (!isDue && this.#states.includes('asked')) return // 2
      this.#states[index] = 'asked'
      this.#record(entrant.lane, 'started', now, entrant.because)
      actions.push({ type: 'ask', entrant: index })
    })
    this.#armTimer(now, actions)
  }

  #armTimer(now: number, actions: RaceAction[]): void {
    const next = this.#states.indexOf('waiting')
    const at = next === -1 ? undefined : this.#startedAt + (this.#entrants[next]?.startAfterMs ?? 0)
    if (at === this.#timerAt) return
    this.#timerAt = at
    actions.push(
      at === undefined ? { type: 'clearTimer' } : { type: 'setTimer', delayMs: Math.max(0, at - now) },
    )
  }

  #withdrawOthers(now: number, actions: RaceAction[]): void {
    this.#states.forEach((state, index) => {
      if (state !== 'asked') return
      this.#settle(index, 'withdrawn', now, 'still under way') // 3
      actions.push({ type: 'withdraw', entrant: index })
    })
  }

  #settle(entrant: number, state: 'won' | 'failed' | 'withdrawn', now: number, because: string): void {
    this.#states[entrant] = state
    const lane = this.#entrants[entrant]?.lane
    if (lane !== undefined) this.#record(lane, state === 'withdrawn' ? 'overtaken' : state, now, because)
  }

  #record(lane: LaneName, event: RaceEvent['event'], now: number, because: string): void {
    this.#events.push({ atMs: now - this.#startedAt, lane, event, because })
  }

  #end(actions: RaceAction[]): void {
    this.#isOver = true
    if (this.#timerAt !== undefined) actions.push({ type: 'clearTimer' })
    this.#timerAt = undefined
  }

  #verdict(last: TransportError): TransportError {
    return (this.#errors.find(({ lane }) => lane === 'tcp') ?? this.#errors[0])?.error ?? last
  }
}
