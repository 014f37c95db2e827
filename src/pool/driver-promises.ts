import type { TransportError } from '../base/errors.ts'
import { containFault } from '../base/guard.ts'

interface Waiting {
  readonly resolve: () => void
  readonly reject: (error: TransportError) => void
}

/**
 * Those who wait until nothing is left of something that may fill up again: each wait ends at the first
 * moment when nothing is left after it began.
 */
export class DrainWaiters {
  readonly #isEmpty: () => boolean
  readonly #soon: (settle: () => void) => void
  #waiting: Waiting[] = []

  /** `soon` calls back once what runs now is over. */
  constructor(isEmpty: () => boolean, soon: (settle: () => void) => void) {
    this.#isEmpty = isEmpty
    this.#soon = soon
  }

  wait(): Promise<void> {
    if (this.#isEmpty()) return Promise.resolve()
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }))
  }

  /**
   * Not at once: an exchange is notified of its connection's end after the pool, and may come back to be sent
   * again.
   */
  onChange(): void {
    if (this.#waiting.length > 0 && this.#isEmpty()) this.#soon(this.#settle)
  }

  readonly #settle = (): void => {
    try {
      if (!this.#isEmpty()) return
      for (const { resolve } of this.#take()) resolve()
    } catch (error) {
      // Who closes a transport must not wait for ever.
      containFault('the end of a pool', error, fault => {
        for (const { reject } of this.#take()) reject(fault)
      })
    }
  }

  #take(): Waiting[] {
    const waiting = this.#waiting
    this.#waiting = []
    return waiting
  }
}

interface Preconnect {
  readonly target: number
  readonly resolve: () => void
  readonly reject: (error: TransportError) => void
}

/** The preconnect() calls under way. */
export class Preconnects {
  #pending: Preconnect[] = []

  get size(): number {
    return this.#pending.length
  }

  add(target: number): Promise<void> {
    return new Promise((resolve, reject) => this.#pending.push({ target, resolve, reject }))
  }

  /**
   * `live` connections are open and `starting` more are on their way: without any, this is as many as the
   * limits allow.
   */
  settle(live: number, starting: number): void {
    const before = this.#pending
    this.#pending = starting === 0 ? [] : before.filter(({ target }) => target > live)
    for (const preconnect of before) if (!this.#pending.includes(preconnect)) preconnect.resolve()
  }

  reject(error: TransportError): void {
    const before = this.#pending
    this.#pending = []
    for (const preconnect of before) preconnect.reject(error)
  }
}
