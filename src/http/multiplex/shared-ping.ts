import { abortError, type TransportError } from '../../base/errors.ts'
import { guardedListener } from '../../base/guard.ts'

interface Asker {
  readonly resolve: () => void
  readonly reject: (error: TransportError) => void
  readonly signal: AbortSignal | undefined
  readonly onAbort: () => void
}

/**
 * Those who wait for an answer to a PING. They share one: its answer says that the connection works to all of
 * them.
 */
export class SharedPing {
  #askers = new Set<Asker>()

  get isPending(): boolean {
    return this.#askers.size > 0
  }

  /** Resolves with the next answer. Rejects with MM_ABORTED when the signal fires first. */
  join(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(abortError(signal, 'the check'))
        return
      }
      const asker: Asker = {
        resolve,
        reject,
        signal,
        onAbort: guardedListener('the end of a check', () => this.#leave(asker), reject),
      }
      this.#askers.add(asker)
      signal?.addEventListener('abort', asker.onAbort, { once: true })
    })
  }

  #leave(asker: Asker): void {
    this.#askers.delete(asker)
    if (asker.signal !== undefined) asker.reject(abortError(asker.signal, 'the check'))
  }

  onPong(): void {
    for (const asker of this.#take()) asker.resolve()
  }

  /** There will be no answer. */
  fail(error: TransportError): void {
    for (const asker of this.#take()) asker.reject(error)
  }

  #take(): Set<Asker> {
    const askers = this.#askers
    this.#askers = new Set()
    for (const { signal, onAbort } of askers) signal?.removeEventListener('abort', onAbort)
    return askers
  }
}
