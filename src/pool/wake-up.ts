import type { PoolAction } from './pool-action.ts'

/**
 * The one timer of a pool, kept lazily: it is moved only when something becomes due earlier. What is no
 * longer due when it fires costs one look at what is due next (OkHttp's `closeConnections` answers in the
 * same way), so that leases and releases, which only ever push deadlines into the future, need no timer at
 * all.
 */
export class WakeUp {
  #armedAt = Infinity

  get armedAt(): number {
    return this.#armedAt
  }

  /** Be woken at `at` or before. */
  arm(at: number, actions: PoolAction<unknown, unknown>[]): void {
    if (at >= this.#armedAt) return
    this.#armedAt = at
    actions.push({ type: 'setTimer', at })
  }

  disarm(actions: PoolAction<unknown, unknown>[]): void {
    if (this.#armedAt === Infinity) return
    this.#armedAt = Infinity
    actions.push({ type: 'clearTimer' })
  }

  /** The timer fired and is gone. */
  onFired(): void {
    this.#armedAt = Infinity
  }
}
