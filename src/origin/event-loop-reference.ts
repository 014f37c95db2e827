/** Node's longest timer. */
const LONGEST_MS = 2 ** 31 - 1

/**
 * Keeps the process alive while anybody waits for the transport, and only then: sockets and timers of the
 * pools are unref'd, so that a program that forgot to close its transport ends when its work is done, and one
 * that awaits a response while the pool backs off (where nothing is open at all) does not end in the middle
 * of it.
 */
export class EventLoopReference {
  #holders = 0
  #handle: NodeJS.Timeout | undefined

  take(): void {
    this.#holders += 1
    if (this.#holders > 1) return
    if (this.#handle === undefined) this.#handle = setInterval(() => {}, LONGEST_MS)
    else this.#handle.ref()
  }

  release(): void {
    this.#holders -= 1
    if (this.#holders === 0) this.#handle?.unref()
  }

  /** Holds until the promise is settled. */
  async during<T>(work: Promise<T>): Promise<T> {
    this.take()
    try {
      return await work
    } finally {
      this.release()
    }
  }
}
