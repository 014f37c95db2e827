import type { RateWatch } from '../rate-watch.ts'

/** How far one of several streams is. */
export interface RateProgress {
  /** What came of it, or was taken, since its beginning. */
  readonly bytes: number
  /** It is the client that it waits for. */
  readonly isWaiting: boolean
}

/**
 * The least rate of a connection that carries many streams: time runs while one of them waits for the client,
 * and what comes of any of those that wait counts. Streams of one client share its path, and in which order
 * they have their turn is its own choice: the slowest one of many is no sign of anything.
 */
export class SharedRate<Member> {
  readonly #watch: RateWatch
  readonly #progressOf: (member: Member) => RateProgress
  /** Those that wait, with their bytes at the last look. */
  readonly #waiting = new Map<Member, number>()

  constructor(watch: RateWatch, progressOf: (member: Member) => RateProgress) {
    this.#watch = watch
    this.#progressOf = progressOf
  }

  /** When check() is to be asked; NEVER while none waits. */
  get deadlineMs(): number {
    return this.#watch.deadlineMs
  }

  /**
   * It waits for the client from now on, as far as `end` does not come. `isAnew`: it did not just before,
   * though nobody has said so. `bytes`: see RateWatch.begin.
   */
  begin(member: Member, now: number, { isAnew = false, bytes = 0 } = {}): void {
    if (this.#waiting.has(member) && !isAnew) return
    this.#look(now)
    if (this.#waiting.delete(member) && this.#waiting.size === 0) this.#watch.reset()
    this.#waiting.set(member, this.#progressOf(member).bytes)
    this.#watch.begin(now, bytes)
  }

  /** It waits no longer, or is over. */
  end(member: Member, now: number): void {
    const before = this.#waiting.get(member)
    if (before === undefined) return
    this.#watch.add(this.#progressOf(member).bytes - before, now)
    this.#waiting.delete(member)
    if (this.#waiting.size === 0) this.#watch.pause(now)
  }

  /** Those that wait in vain, once the deadline has come; none: it has moved. */
  check(now: number): readonly Member[] {
    this.#look(now)
    return this.#watch.deadlineMs <= now ? [...this.#waiting.keys()] : []
  }

  #look(now: number): void {
    if (this.#waiting.size === 0) return
    let bytes = 0
    for (const [member, before] of this.#waiting) {
      const progress = this.#progressOf(member)
      bytes += progress.bytes - before
      if (progress.isWaiting) this.#waiting.set(member, progress.bytes)
      else this.#waiting.delete(member)
    }
    this.#watch.add(bytes, now)
    // Nobody knows since when.
    if (this.#waiting.size === 0) this.#watch.reset()
  }
}
