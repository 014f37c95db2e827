import type { RefusedBy } from '../../base/events/observer.ts'

/** Refusals after so long a time without any are news again. */
const QUIET_MS = 10_000

/** Which refusals are worth an event: the first of each kind since a while. Pure. */
export class RefusalNews {
  readonly #refusedAt = new Map<RefusedBy, number>()
  readonly #onNews: (by: RefusedBy, limit: number) => void

  constructor(onNews: (by: RefusedBy, limit: number) => void) {
    this.#onNews = onNews
  }

  onRefused(by: RefusedBy, limit: number, now: number): void {
    const before = this.#refusedAt.get(by)
    this.#refusedAt.set(by, now)
    if (before === undefined || now - before >= QUIET_MS) this.#onNews(by, limit)
  }
}
