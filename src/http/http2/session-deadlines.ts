const NEVER = Number.POSITIVE_INFINITY

/** What a session waits for, each with the time at which it has waited long enough. */
export type Awaited = 'settings' | 'acknowledgement' | 'fieldBlock' | 'drainPong'

/** The deadlines of a session. It sets no timer: its driver asks for the next one. */
export class SessionDeadlines {
  readonly #at: Record<Awaited, number> = {
    settings: NEVER,
    acknowledgement: NEVER,
    fieldBlock: NEVER,
    drainPong: NEVER,
  }
  #next = NEVER

  get nextAt(): number {
    return this.#next
  }

  /** `timeoutMs` 0: no limit. */
  expect(what: Awaited, now: number, timeoutMs: number): void {
    this.#at[what] = timeoutMs === 0 ? NEVER : now + timeoutMs
    this.#update()
  }

  met(what: Awaited): void {
    if (this.#at[what] === NEVER) return
    this.#at[what] = NEVER
    this.#update()
  }

  /** What was waited for too long; it counts as met from now on. */
  takeOverdue(now: number): Awaited | undefined {
    for (const what of ['settings', 'acknowledgement', 'fieldBlock', 'drainPong'] as const) {
      if (this.#at[what] > now) continue
      this.met(what)
      return what
    }
    return undefined
  }

  #update(): void {
    const { settings, acknowledgement, fieldBlock, drainPong } = this.#at
    this.#next = Math.min(settings, acknowledgement, fieldBlock, drainPong)
  }
}
