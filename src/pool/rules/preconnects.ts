import type { TransportError } from '../../base/errors.ts'

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
