import type { Clock } from '../../base/clock.ts'
import type { TransportError } from '../../base/errors.ts'
import type { AttemptRecord, Connection } from '../../base/events/connection.ts'
import type { RaceEvent } from '../../base/events/observer.ts'
import type { Waiter } from '../../pool/pool-driver.ts'
import { Race, type RaceHost } from '../../select/race/race.ts'
import type { RaceEntrant } from '../../select/race/race-state.ts'
import type { Lane } from './lane.ts'

/** Who needs the connection. */
export interface Racer extends Pick<Waiter, 'balanceKey' | 'fairKey'> {
  onRaceWon(lane: Lane, connection: Connection, reused: boolean): void
  onRaceLost(error: TransportError): void
}

export interface LaneRaceParts {
  /** In the order of the plan. */
  readonly entrants: readonly { readonly lane: Lane; readonly entrant: RaceEntrant }[]
  readonly clock: Clock
  readonly racer: Racer
  readonly isReplay: boolean
  /** The race is over, before the racer is notified of it. `winner` undefined: lost or given up. */
  readonly onEnded: (race: LaneRace, winner: Lane | undefined) => void
}

/**
 * One request waits in the pools of several lanes. The first lease is its; what the others still make stays
 * in their pools, but a TCP connection that nobody waits for is not made after all: HTTP/3 that came late is
 * worth having, a second TCP connection is not.
 */
export class LaneRace implements RaceHost {
  readonly #parts: LaneRaceParts
  readonly #race: Race
  readonly #tickets: readonly RaceTicket[]
  /** By its caller, perhaps from within one of our own events. */
  #isAborted = false
  #winner: { readonly lane: Lane; readonly connection: Connection; readonly reused: boolean } | undefined

  constructor(parts: LaneRaceParts) {
    this.#parts = parts
    this.#race = new Race(
      parts.entrants.map(({ entrant }) => entrant),
      parts.clock,
      this,
    )
    this.#tickets = parts.entrants.map((_, index) => new RaceTicket(this, index))
  }

  get events(): readonly RaceEvent[] {
    return this.#race.events
  }

  start(): void {
    this.#race.start()
  }

  /** The request is not wanted any more. */
  abort(): void {
    if (this.#isAborted) return
    this.#isAborted = true
    this.#race.abort()
    if (this.#winner === undefined) this.#parts.onEnded(this, undefined)
  }

  /** What was tried, over all lanes; times count from the start of the race. */
  attempts(): AttemptRecord[] {
    return this.#parts.entrants
      .flatMap(({ lane, entrant }) => {
        const started = this.events.find(event => event.lane === lane.name && event.event === 'started')
        if (started === undefined) return []
        const isWinner = lane === this.#winner?.lane
        const made = isWinner
          ? this.#winner?.connection.handshake.attempts
          : lane.connector.attemptsOf(this.#outcomeOf(lane))
        return (made ?? []).map((attempt, index) => ({
          ...attempt,
          startedAtMs: started.atMs + attempt.startedAtMs,
          because: index === 0 ? entrant.because : attempt.because,
        }))
      })
      .toSorted((a, b) => a.startedAtMs - b.startedAtMs)
  }

  // Of the race

  ask(index: number): void {
    const ticket = this.#tickets[index]
    if (ticket !== undefined) this.#laneOf(index)?.pool.acquire(ticket, false, this.#parts.isReplay)
  }

  withdraw(index: number): void {
    const ticket = this.#tickets[index]
    const lane = this.#laneOf(index)
    if (ticket === undefined || lane === undefined) return
    lane.pool.cancel(ticket)
    if (lane.name !== 'h3') lane.pool.abandonDials('surplus')
  }

  onWon(): void {
    const won = this.#winner
    if (won === undefined) return
    this.#parts.onEnded(this, won.lane)
    if (this.#isAborted) {
      won.lane.pool.release(won.connection)
      return
    }
    this.#parts.racer.onRaceWon(won.lane, won.connection, won.reused)
  }

  onLost(error: TransportError): void {
    this.#parts.onEnded(this, undefined)
    this.#parts.racer.onRaceLost(error)
  }

  // Of the tickets

  get fairKey(): string | undefined {
    return this.#parts.racer.fairKey
  }

  onLease(index: number, connection: Connection, reused: boolean): void {
    const lane = this.#laneOf(index)
    if (lane === undefined) return
    this.#winner ??= { lane, connection, reused }
    if (!this.#race.got(index)) lane.pool.release(connection)
  }

  onLeaseFailed(index: number, error: TransportError): void {
    this.#race.failed(index, error)
  }

  balanceKey(hashBy: string): string | undefined {
    return this.#parts.racer.balanceKey?.(hashBy)
  }

  #laneOf(index: number): Lane | undefined {
    return this.#parts.entrants[index]?.lane
  }

  #outcomeOf(lane: Lane): 'failed' | 'overtaken' {
    return this.events.some(event => event.lane === lane.name && event.event === 'failed')
      ? 'failed'
      : 'overtaken'
  }
}

/** A request's place in the pool of one lane. */
class RaceTicket implements Waiter {
  readonly #race: LaneRace
  readonly #index: number

  constructor(race: LaneRace, index: number) {
    this.#race = race
    this.#index = index
  }

  get fairKey(): string | undefined {
    return this.#race.fairKey
  }

  onLease(connection: Connection, reused: boolean): void {
    this.#race.onLease(this.#index, connection, reused)
  }

  onLeaseFailed(error: TransportError): void {
    this.#race.onLeaseFailed(this.#index, error)
  }

  balanceKey(hashBy: string): string | undefined {
    return this.#race.balanceKey(hashBy)
  }
}
