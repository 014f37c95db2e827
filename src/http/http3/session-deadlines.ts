const NEVER = Number.POSITIVE_INFINITY

/**
 * What a session waits for: the peer's SETTINGS; credit for streams; the heads of requests that have begun
 * (`head`); and when it drains as a server, that the first GOAWAY has reached the client (`drain`), and that
 * the client has closed (`linger`).
 */
export type Awaited = 'settings' | 'credit' | 'head' | 'drain' | 'linger'

/** The deadlines of a session but for Liveness. It sets no timer: its driver asks for the next one. */
export class SessionDeadlines {
  readonly #at: Record<Awaited, number> = {
    settings: NEVER,
    credit: NEVER,
    head: NEVER,
    drain: NEVER,
    linger: NEVER,
  }

  get nextAt(): number {
    const { settings, credit, head, drain, linger } = this.#at
    return Math.min(settings, credit, head, drain, linger)
  }

  /** `timeoutMs` 0: no limit. */
  expect(what: Awaited, now: number, timeoutMs: number): void {
    this.#at[what] = timeoutMs === 0 ? NEVER : now + timeoutMs
  }

  isAwaited(what: Awaited): boolean {
    return this.#at[what] !== NEVER
  }

  met(what: Awaited): void {
    this.#at[what] = NEVER
  }

  /** What was waited for long enough; it counts as met from now on. */
  takeOverdue(now: number): Awaited | undefined {
    for (const what of ['settings', 'credit', 'head', 'drain', 'linger'] as const) {
      if (this.#at[what] > now) continue
      this.met(what)
      return what
    }
    return undefined
  }
}
