import { NEVER } from '../../base/deadline-timer.ts'

/**
 * What a session waits for, each with the time at which it has waited long enough. It sets no timer: its
 * driver asks for the next one.
 */
export class Deadlines<Awaited extends string> {
  readonly #kinds: readonly Awaited[]
  readonly #at: Record<Awaited, number>
  #nextAt = NEVER

  /** `kinds`: in the order in which they are taken when several are overdue. */
  constructor(kinds: readonly Awaited[]) {
    this.#kinds = kinds
    // as: every kind has its entry
    this.#at = Object.fromEntries(kinds.map(kind => [kind, NEVER])) as Record<Awaited, number>
  }

  get nextAt(): number {
    return this.#nextAt
  }

  /** `timeoutMs` 0: no limit. */
  expect(what: Awaited, now: number, timeoutMs: number): void {
    this.#at[what] = timeoutMs === 0 ? NEVER : now + timeoutMs
    this.#update()
  }

  isAwaited(what: Awaited): boolean {
    return this.#at[what] !== NEVER
  }

  met(what: Awaited): void {
    if (this.#at[what] === NEVER) return
    this.#at[what] = NEVER
    this.#update()
  }

  /** What was waited for long enough; it counts as met from now on. */
  takeOverdue(now: number): Awaited | undefined {
    if (this.#nextAt > now) return undefined
    const overdue = this.#kinds.find(kind => this.#at[kind] <= now)
    if (overdue !== undefined) this.met(overdue)
    return overdue
  }

  #update(): void {
    let next = NEVER
    for (const kind of this.#kinds) if (this.#at[kind] < next) next = this.#at[kind]
    this.#nextAt = next
  }
}
