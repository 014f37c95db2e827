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

  /** Ends the query: what it does stops, and all who wait are notified of the error. */
  fail(error: TransportError): void {
    this.settle(error)
    this.#controller.abort(error)
  }

  settle(answer: { readonly value: T } | TransportError): void {
    for (const asker of this.#askers) asker.settle(answer)
  }
}

/** Lets so many queries run at once; others wait in line, first come, first served. */
export class QueryGate {
  readonly #maxRunning: number
  readonly #maxWaiting: number
  readonly #waiting = new Set<() => void>()
  #running = 0

  constructor(maxRunning: number, maxWaiting: number) {
    this.#maxRunning = maxRunning
    this.#maxWaiting = maxWaiting
  }

  get running(): number {
    return this.#running
  }

  /**
   * Resolves when it is one's turn; leave() must follow. Rejects with MM_DNS_FAILED when the line is full, or
   * after an abort with its reason.
   */
  enter(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.reject(abortError(signal, 'the DNS query'))
    if (this.#running < this.#maxRunning) {
      this.#running++
      return Promise.resolve()
    }
    if (this.#waiting.size >= this.#maxWaiting) {
      const message = `${this.#maxWaiting} DNS queries wait for their turn already`
      return Promise.reject(new TransportError('MM_DNS_FAILED', message))
    }
    return new Promise((resolve, reject) => {
      const onTurn = (): void => {
        signal.removeEventListener('abort', onAbort)
        resolve()
      }
      const leave = (): void => {
        this.#waiting.delete(onTurn)
        reject(abortError(signal, 'the DNS query'))
      }
      const onAbort = guardedListener('the end of a DNS query', leave, reject)
      this.#waiting.add(onTurn)
      signal.addEventListener('abort', onAbort, { once: true })
    })
  }

  /** The place goes to who has waited longest. */
  leave(): void {
    const next = this.#waiting.values().next()
    if (next.done === true) {
      this.#running--
      return
    }
    this.#waiting.delete(next.value)
    next.value()
  }
}
