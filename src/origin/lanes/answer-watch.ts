import type { Clock, Timer } from '../../base/clock.ts'
import { DeadlineTimer, NEVER } from '../../base/clock.ts'
import { guarded } from '../../base/guard.ts'

/** Who waits for an answer. */
export interface AwaitedAnswer {
  /** Nothing has come yet, and it is still wanted. */
  readonly isAwaited: boolean
  /** It has been out for as long as was said. */
  onOverdue(): void
}

interface Watched {
  readonly answer: AwaitedAnswer
  readonly dueAt: number
}

/**
 * Calls those who have waited for an answer for too long. One timer for all requests of a lane; who has been
 * answered is not taken out but skipped, so that a request costs one push. Delays change slowly, so that the
 * order of arrival is nearly the order of deadlines: who stands behind a later one is called with it.
 */
export class AnswerWatch {
  readonly #clock: Clock
  readonly #timer: DeadlineTimer
  #queue: Watched[] = []
  /** What was dealt with of the queue. */
  #head = 0
  #turn: Timer | undefined

  constructor(clock: Clock) {
    this.#clock = clock
    // A loop that stood still runs its timers before it reads what has come meanwhile: they are judged a turn
    // later.
    this.#timer = new DeadlineTimer(clock, () => {
      this.#turn = clock.setTimer(0, () => this.#judge())
    })
  }

  get size(): number {
    return this.#queue.length - this.#head
  }

  add(answer: AwaitedAnswer, dueAt: number): void {
    this.#queue.push({ answer, dueAt })
    if (this.size === 1) this.#timer.cover(dueAt)
    else this.#skipAnswered()
  }

  close(): void {
    this.#timer.cancel()
    this.#turn?.cancel()
    this.#queue = []
    this.#head = 0
  }

  #judge(): void {
    const now = this.#clock.now()
    for (let next = this.#queue[this.#head]; next !== undefined; next = this.#queue[this.#head]) {
      if (next.answer.isAwaited && next.dueAt > now) break
      this.#head += 1
      if (!next.answer.isAwaited) continue
      const { answer } = next
      // One that fails waits for its first try as before; the others must not wait for ever.
      guarded('a second copy', () => answer.onOverdue())
    }
    this.#compact()
    this.#timer.cover(this.#queue[this.#head]?.dueAt ?? NEVER)
  }

  /** The front is cleared as requests come, so that those that were answered are not held. */
  #skipAnswered(): void {
    while (this.#queue[this.#head]?.answer.isAwaited === false) this.#head += 1
    this.#compact()
  }

  #compact(): void {
    if (this.#head < 32 || this.#head * 2 < this.#queue.length) return
    this.#queue = this.#queue.slice(this.#head)
    this.#head = 0
  }
}
