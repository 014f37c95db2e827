import { type Clock, DeadlineTimer, NEVER } from '../../base/clock.ts'

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

/** Something that a DeadlineTable holds. */
export interface Deadlined {
  /**
   * Milliseconds on the clock of the connection; NEVER: it waits for nothing. Moved as often as its owner
   * likes, which costs a store.
   */
  deadlineAt: number
  /** Its place in the table, written by the table; -1: in none. */
  tableIndex: number
}

/**
 * What is open on a connection, and the one timer for all of its deadlines: a timer per exchange would cost
 * more than the rest of the bookkeeping of an exchange together. The timer covers the earliest deadline it
 * was notified of; when it fires, whoever is due is looked for, which is once per timeout and not once per
 * exchange.
 *
 * It also holds the time of the read or call that is being handled, so that the clock is read once for all
 * that follows from it.
 */
export class DeadlineTable<Item extends Deadlined> {
  /** Milliseconds, as of the last `touch`. */
  now: number
  readonly #clock: Clock
  readonly #timer: DeadlineTimer
  readonly #items: Item[] = []
  #isHeld = false

  /** `onDue`: time may be up for someone; answer with takeDue() and cover(). */
  constructor(clock: Clock, onDue: () => void) {
    this.#clock = clock
    this.#timer = new DeadlineTimer(clock, onDue)
    this.now = clock.now()
  }

  get size(): number {
    return this.#items.length
  }

  /**
   * Reads the clock. Within one read of the socket, which is short, the time that it began at is good enough.
   */
  touch(): number {
    if (!this.#isHeld) this.now = this.#clock.now()
    return this.now
  }

  /** Reads the clock and keeps to that time until `letTimeGo`. */
  holdTime(): number {
    this.now = this.#clock.now()
    this.#isHeld = true
    return this.now
  }

  letTimeGo(): void {
    this.#isHeld = false
  }

  add(item: Item): void {
    item.tableIndex = this.#items.length
    this.#items.push(item)
  }

  /** Does nothing when it is not there. */
  remove(item: Item): void {
    const index = item.tableIndex
    if (index < 0) return
    item.tableIndex = -1
    const last = this.#items.pop() as Item // the item itself is there, so the table is not empty
    if (last === item) return
    this.#items[index] = last
    last.tableIndex = index
  }

  /** Those that are in the table now, for a walk on which some of them leave it. */
  all(): Item[] {
    return this.#items.slice()
  }

  /** Makes sure that onDue is called at this time, if not before. */
  cover(deadlineAt: number): void {
    this.#timer.cover(deadlineAt)
  }

  /** Those whose deadline has come; the timer goes on for the others. */
  takeDue(): Item[] {
    const { now } = this
    let next = NEVER
    const due: Item[] = []
    for (const item of this.#items) {
      if (item.deadlineAt <= now) due.push(item)
      else if (item.deadlineAt < next) next = item.deadlineAt
    }
    this.cover(next)
    return due
  }

  /** Gives up the timer: for the end of the connection. */
  dispose(): void {
    this.#timer.cancel()
  }
}
