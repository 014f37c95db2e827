import type { Clock } from '../../base/clock.ts'
import { DeadlineTimer, NEVER } from '../../base/clock.ts'
import type { TransportError } from '../../base/errors.ts'
import { guardedListener } from '../../base/guard.ts'
import type { IngressLimits } from '../ingress-limits.ts'
import { SocketRate, type WriteProgress } from '../socket-rate.ts'

export interface DeadlineEvents {
  /** The client did not send in time. */
  onReadTimeout(): void
  /** The client took nothing in time. */
  onWriteTimeout(): void
  /** It takes less than `minResponseRate`. */
  onSlowWrites(): void
  /** One of these has thrown, which was reported: nobody looks at the deadlines any more. */
  onFault(error: TransportError): void
}

type WriteLimits = Pick<IngressLimits, 'writeTimeoutMs' | 'minResponseRate' | 'rateGraceMs'>

/** The two things that a client owes a session, each with a time: to send, and to take. */
export class SessionDeadlines {
  readonly #clock: Clock
  readonly #progress: WriteProgress
  readonly #writeTimeoutMs: number
  /** Undefined: it may take as little as it likes. */
  readonly #rate: SocketRate | undefined
  readonly #events: DeadlineEvents
  readonly #timer: DeadlineTimer
  #readDeadlineMs = NEVER
  #writeDeadlineMs = NEVER
  #takenBytes = 0

  constructor(clock: Clock, progress: WriteProgress, limits: WriteLimits, events: DeadlineEvents) {
    this.#clock = clock
    this.#progress = progress
    this.#writeTimeoutMs = limits.writeTimeoutMs
    this.#rate = SocketRate.of(clock, progress, limits, events)
    this.#events = events
    const check = guardedListener(
      'a deadline of an HTTP/1.1 client',
      () => this.#check(),
      error => events.onFault(error),
    )
    this.#timer = new DeadlineTimer(clock, check)
  }

  /** The client must send something within this time; 0: whenever it likes. */
  expectBytes(withinMs: number): void {
    if (withinMs === 0) {
      this.#readDeadlineMs = NEVER
      return
    }
    this.#readDeadlineMs = this.#clock.now() + withinMs
    this.#timer.cover(this.#readDeadlineMs)
  }

  expectNothing(): void {
    this.#readDeadlineMs = NEVER
  }

  /**
   * Bytes wait for the client. Whether it took some is looked at when the time is up, so that a busy
   * connection pays nothing.
   */
  watchWrites(): void {
    if (this.#rate !== undefined) {
      this.#rate.onBehind()
      this.#timer.cover(this.#rate.deadlineMs)
    }
    if (this.#writeDeadlineMs !== NEVER || this.#writeTimeoutMs === 0) return
    this.#takenBytes = this.#taken()
    this.#writeDeadlineMs = this.#clock.now() + this.#writeTimeoutMs
    this.#timer.cover(this.#writeDeadlineMs)
  }

  /** Nothing waits any more. */
  onDrain(): void {
    this.#rate?.onDrain()
  }

  cancel(): void {
    this.#rate?.reset()
    this.#readDeadlineMs = this.#writeDeadlineMs = NEVER
    this.#timer.cancel()
  }

  #taken(): number {
    return this.#progress.bytesWritten - this.#progress.writableLength
  }

  #check(): void {
    const now = this.#clock.now()
    if (this.#writeDeadlineMs <= now) {
      this.#writeDeadlineMs = NEVER
      if (this.#progress.writableLength > 0) {
        if (this.#taken() === this.#takenBytes) {
          this.#events.onWriteTimeout()
          return
        }
        this.watchWrites()
      }
    }
    this.#rate?.check(now)
    if (this.#readDeadlineMs <= now) {
      this.#readDeadlineMs = NEVER
      this.#events.onReadTimeout()
    }
    const next = Math.min(this.#readDeadlineMs, this.#writeDeadlineMs, this.#rate?.deadlineMs ?? NEVER)
    if (next !== NEVER) this.#timer.cover(next)
  }
}
