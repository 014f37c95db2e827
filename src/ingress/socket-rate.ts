import { afterPoll } from '../base/after-poll.ts'
import { type Clock, NEVER } from '../base/clock.ts'
import type { TransportError } from '../base/errors.ts'
import { guardedListener } from '../base/guard.ts'
import type { IngressLimits } from './ingress-limits.ts'
import { RateWatch } from './rate-watch.ts'

/** What of a socket reports how much of the output its client took. */
export interface WriteProgress {
  /** Handed to the socket so far, waiting bytes included. */
  readonly bytesWritten: number
  readonly writableLength: number
}

interface SocketRateEvents {
  /** The client takes less than it has to. */
  onSlowWrites(): void
  onFault(error: TransportError): void
}

/**
 * The least rate at which a client takes what a socket has for it. Node says of a write that all of it was
 * taken, not how much: what began to wait together is given its time together.
 */
export class SocketRate {
  readonly #clock: Clock
  readonly #progress: WriteProgress
  readonly #watch: RateWatch
  readonly #events: SocketRateEvents
  /** At the last look. */
  #handedBytes = 0
  #takenBytes = 0
  #isConfirming = false

  private constructor(clock: Clock, progress: WriteProgress, watch: RateWatch, events: SocketRateEvents) {
    this.#clock = clock
    this.#progress = progress
    this.#watch = watch
    this.#events = events
  }

  /** Undefined: any rate will do. */
  static of(
    clock: Clock,
    progress: WriteProgress,
    { minResponseRate, rateGraceMs }: Pick<IngressLimits, 'minResponseRate' | 'rateGraceMs'>,
    events: SocketRateEvents,
  ): SocketRate | undefined {
    if (minResponseRate === 0) return undefined
    return new SocketRate(clock, progress, new RateWatch(minResponseRate, rateGraceMs), events)
  }

  /** When check() is to be called; NEVER while nothing waits. */
  get deadlineMs(): number {
    return this.#isConfirming ? NEVER : this.#watch.deadlineMs
  }

  /** Something was written and not taken at once. */
  onBehind(): void {
    const { bytesWritten, writableLength } = this.#progress
    const watch = this.#watch
    // All that was handed over before has been taken, nobody knows since when.
    if (watch.deadlineMs !== NEVER && writableLength <= bytesWritten - this.#handedBytes) watch.reset()
    const more = bytesWritten - this.#handedBytes
    this.#handedBytes = bytesWritten
    if (watch.deadlineMs !== NEVER) {
      watch.extend(more)
      return
    }
    this.#takenBytes = bytesWritten - writableLength
    watch.begin(this.#clock.now(), writableLength)
  }

  /** Nothing waits any more. */
  onDrain(): void {
    const now = this.#clock.now()
    this.#look(now)
    this.#watch.pause(now)
  }

  /** The deadline may have come. */
  check(now: number): void {
    if (this.deadlineMs > now || !this.#isTooSlow(now)) return
    // A loop that is late may only not have seen what the client took.
    this.#isConfirming = true
    const confirm = (): void => {
      this.#isConfirming = false
      const isSlow = this.#watch.deadlineMs !== NEVER && this.#isTooSlow(this.#clock.now())
      if (!isSlow) return
      this.#watch.reset()
      this.#events.onSlowWrites()
    }
    afterPoll(guardedListener('a slow client', confirm, error => this.#events.onFault(error)))
  }

  reset(): void {
    this.#watch.reset()
  }

  #isTooSlow(now: number): boolean {
    if (this.#progress.writableLength === 0) this.#watch.reset()
    else this.#look(now)
    return this.#watch.deadlineMs <= now
  }

  #look(now: number): void {
    const taken = this.#progress.bytesWritten - this.#progress.writableLength
    this.#watch.add(taken - this.#takenBytes, now)
    this.#takenBytes = taken
  }
}
