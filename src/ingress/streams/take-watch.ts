import { NEVER } from '../../base/deadline-timer.ts'

/**
 * Whether a client takes what waits for it. Whether it took some is looked at when the time is up and not
 * before, so that one that takes it costs nothing.
 */
export class TakeWatch {
  /** When the client must have taken some; NEVER while nothing waits for it. */
  deadlineMs = NEVER
  #takenBytes = 0

  /**
   * Something waits for it, of which it took `takenBytes` so far. Does nothing when it is watched already.
   */
  begin(takenBytes: number, deadlineMs: number): void {
    if (this.deadlineMs !== NEVER) return
    this.#takenBytes = takenBytes
    this.deadlineMs = deadlineMs
  }

  /** Time is up: whether it took some since. Watch on with `begin`. */
  end(takenBytes: number): boolean {
    this.deadlineMs = NEVER
    return takenBytes !== this.#takenBytes
  }
}
