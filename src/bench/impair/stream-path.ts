import type { Socket } from 'node:net'
import type { Clock, Timer } from '../../base/clock.ts'
import { type Conditions, DEFAULT_QUEUE_BYTES } from './conditions.ts'
import type { RateQueue } from './rate-queue.ts'
import type { StreamLine } from './stream-line.ts'

export interface StreamPathOptions {
  readonly from: Socket
  readonly to: Socket
  readonly line: StreamLine
  readonly narrow: RateQueue
  readonly clock: Clock
  /** Read for each chunk, so that they may be changed at any time; onConditions() then. */
  readonly path: () => { readonly conditions: Conditions; readonly roundTripMs: number }
}

/**
 * Passes on what arrives on one socket to another as a StreamLine says; the other direction is another
 * StreamPath. It reads no more than the line, the bottleneck and the receiver take, so that the sender is
 * held back by its own kernel, and in a black hole it reads nothing.
 */
export class StreamPath {
  readonly #options: StreamPathOptions
  #timer: Timer | undefined
  #wakesAt = Number.POSITIVE_INFINITY
  #isBlocked = false
  /**
   * A reset is under way: it overtakes bytes that wait for a retransmission, and what is under way when it
   * arrives is lost.
   */
  #resetAt = Number.POSITIVE_INFINITY
  #isOver = false

  constructor(options: StreamPathOptions) {
    this.#options = options
    const { from, to } = options
    from.on('data', (chunk: Buffer) => this.#put(chunk))
    from.on('end', () => this.#put('end'))
    // Its close says the same, and says it of a socket that was ended in another way too.
    from.on('error', () => undefined)
    from.on('close', () => {
      if (!from.readableEnded) this.#onReset()
    })
    to.on('drain', () => {
      this.#isBlocked = false
      this.#turn()
    })
    // What it is told from now on leads nowhere. If that was a fault, the other path passes it on.
    to.on('close', () => this.#end())
    this.#turn()
  }

  onConditions(): void {
    this.#turn()
  }

  #put(parcel: Buffer | 'end'): void {
    if (this.#isOver) return
    const { line, clock, path } = this.#options
    const { conditions, roundTripMs } = path()
    line.put(parcel, clock.now(), conditions, roundTripMs)
    this.#turn()
  }

  #onReset(): void {
    const { clock, path } = this.#options
    this.#resetAt = clock.now() + (path().conditions.delayMs ?? 0)
    this.#turn()
  }

  /** Does what is due, says whether more is read, and sets the timer for the rest. */
  #turn(): void {
    if (this.#isOver) return
    const { clock, line, to, path } = this.#options
    const now = clock.now()
    const { conditions } = path()
    const isBlackHole = conditions.isBlackHole === true
    if (this.#resetAt <= now && !isBlackHole) {
      this.#end()
      to.resetAndDestroy()
      return
    }
    this.#deliver(now)
    const readsAt = this.#readsAt(now, conditions)
    this.#read(readsAt <= now)
    const never = Number.POSITIVE_INFINITY
    const times = [
      this.#isBlocked ? never : line.nextDueAt,
      readsAt <= now ? never : readsAt,
      isBlackHole ? never : this.#resetAt,
    ]
    this.#wakeAt(Math.min(...times), now)
  }

  #deliver(now: number): void {
    const { line, to } = this.#options
    if (this.#isBlocked || line.nextDueAt > now) return
    to.cork()
    while (!this.#isBlocked) {
      const parcel = line.take(now)
      if (parcel === undefined) break
      if (parcel === 'end') to.end()
      else this.#isBlocked = !to.write(parcel)
    }
    to.uncork()
  }

  /** When more may be read; Infinity: something else has to happen first. */
  #readsAt(now: number, { isBlackHole, queueBytes = DEFAULT_QUEUE_BYTES }: Conditions): number {
    const { line, narrow } = this.#options
    if (isBlackHole === true || line.isFull) return Number.POSITIVE_INFINITY
    return narrow.lessThanAt(queueBytes, now)
  }

  #read(isWanted: boolean): void {
    const { from } = this.#options
    if (from.isPaused() !== isWanted) return
    if (isWanted) from.resume()
    else from.pause()
  }

  #wakeAt(at: number, now: number): void {
    if (at === this.#wakesAt) return
    this.#timer?.cancel()
    this.#wakesAt = at
    if (at === Number.POSITIVE_INFINITY) return
    // Node's timers count whole milliseconds and are up to one late. One that is early finds nothing and sets
    // another.
    this.#timer = this.#options.clock.setTimer(Math.ceil(at - now), () => {
      this.#wakesAt = Number.POSITIVE_INFINITY
      this.#turn()
    })
  }

  #end(): void {
    this.#isOver = true
    this.#timer?.cancel()
    // Else it would not see the end of one that it was holding back.
    this.#options.from.resume()
  }
}
