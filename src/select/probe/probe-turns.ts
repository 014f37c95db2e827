import type { Clock, Timer } from '../../base/clock.ts'
import { asTransportError } from '../../base/errors.ts'
import type { ProbeFault } from '../../base/events/probe-report.ts'
import { guardedListener } from '../../base/guard.ts'

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

  /** Whatever still runs is told to stop. */
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
