/**
 * The longest time in which nothing moved around a migration. It is notified of every turn in which stream
 * bytes moved, and of the end of the last exchange: what nobody waits for is no gap.
 */
export class GapMeter {
  /** When bytes last moved; undefined: nobody waits for any. */
  #lastAt: number | undefined
  /** Undefined: nothing was waited for since the move began. */
  #longestMs: number | undefined

  /** Somebody waits for bytes. */
  get isWaitedFor(): boolean {
    return this.#lastAt !== undefined
  }

  /** Stream bytes moved, or the first exchange began. */
  onProgress(now: number): void {
    this.#measure(now)
    this.#lastAt = now
  }

  /** No exchange is under way any more. */
  onIdle(now: number): void {
    this.#measure(now)
    this.#lastAt = undefined
  }

  /** A move begins. A gap that is open counts from the last byte before it. */
  begin(): void {
    this.#longestMs = undefined
  }

  /**
   * The longest gap since the move began, one that still lasts included. Undefined: nothing was waited for.
   */
  end(now: number): number | undefined {
    this.#measure(now)
    return this.#longestMs
  }

  #measure(now: number): void {
    if (this.#lastAt !== undefined) this.#longestMs = Math.max(this.#longestMs ?? 0, now - this.#lastAt)
  }
}
