import { abortError, TransportError } from '../../base/errors.ts'
import { guardedListener } from '../../base/guard.ts'

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
