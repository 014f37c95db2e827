/**
 * The turns of the connections on one socket. A turn is due when something came or was put out; it comes in
 * the check phase of the loop, behind the poll that brought the datagrams, so that there is one for all of
 * them, and one acknowledgement (RFC 9000 13.2.2 asks for no more than one per two packets). What all of them
 * send leaves together behind the last.
 */
export class Turns {
  readonly #flush: () => void
  #due: (() => void)[] = []
  #isScheduled = false
  #isHeld = false
  #isRunning = false
  readonly #onImmediate = (): void => {
    this.#isScheduled = false
    if (!this.#isHeld) this.#run()
  }

  /** `flush` sends what has gathered. */
  constructor(flush: () => void) {
    this.#flush = flush
  }

  /** What is put out now leaves with the others. */
  get isRunning(): boolean {
    return this.#isRunning || this.#isHeld
  }

  /** `turn` must not throw. Once per call: who is due already is not to ask again. */
  add(turn: () => void): void {
    this.#due.push(turn)
    if (!this.#isHeld) this.#schedule()
  }

  /** A socket hands over what came together: the turns come with end(). */
  begin(): void {
    this.#isHeld = true
  }

  end(): void {
    this.#isHeld = false
    this.#run()
  }

  #run(): void {
    const due = this.#due
    // A turn that makes itself due again comes with the next round of the loop.
    this.#due = []
    this.#isRunning = true
    for (const turn of due) turn()
    this.#isRunning = false
    this.#flush()
    if (this.#due.length > 0) this.#schedule()
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(this.#onImmediate)
  }
}
