import { abortError, TransportError } from '../../base/errors.ts'
import { guardedListener } from '../../base/guard.ts'

/** One who waits for what a query brings. */
interface Asker<T> {
  settle(answer: { readonly value: T } | TransportError): void
}

/**
 * A query under way that several wait for. Who gives up leaves it to the others; when nobody is left,
 * `signal` fires.
 */
export class SharedQuery<T> {
  readonly #controller = new AbortController()
  readonly #askers = new Set<Asker<T>>()
  readonly #onDeserted: () => void

  /** `onDeserted` is called before `signal` fires: no one may join from then on. */
  constructor(onDeserted: () => void) {
    this.#onDeserted = onDeserted
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Rejects with what the query failed with, or after an abort of one's own signal with its reason. */
  join(signal: AbortSignal): Promise<T> {
    return new Promise((resolve, reject) => {
      const asker: Asker<T> = {
        settle: answer => {
          this.#askers.delete(asker)
          signal.removeEventListener('abort', onAbort)
          if (answer instanceof TransportError) reject(answer)
          else resolve(answer.value)
        },
      }
      const leave = (): void => {
        asker.settle(abortError(signal, 'the DNS query'))
        if (this.#askers.size > 0) return
        this.#onDeserted()
        this.#controller.abort()
      }
      const onAbort = guardedListener('the end of a DNS query', leave, fault => this.fail(fault))
      this.#askers.add(asker)
      signal.addEventListener('abort', onAbort, { once: true })
    })
  }

  /** Ends the query: what it does stops, and all who wait hear of the error. */
  fail(error: TransportError): void {
    this.settle(error)
    this.#controller.abort(error)
  }

  settle(answer: { readonly value: T } | TransportError): void {
    for (const asker of this.#askers) asker.settle(answer)
  }
}
