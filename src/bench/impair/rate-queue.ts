interface Waiting {
  readonly bytes: number
  readonly leavesAt: number
}

/**
 * The bottleneck of a path, for one direction: whatever is put in leaves in order, each when all before it
 * has left and its own bytes have taken their time at the rate. Who feeds it asks first whether there is
 * room. What waits when the rate is changed leaves as it was planned.
 */
export class RateQueue {
  #waiting: Waiting[] = []
  #head = 0
  #bytes = 0
  #freeAt = Number.NEGATIVE_INFINITY

  /** What has been put in and has not wholly left. */
  waitingBytes(now: number): number {
    for (let first = this.#waiting[this.#head]; first !== undefined && first.leavesAt <= now; ) {
      this.#bytes -= first.bytes
      first = this.#waiting[++this.#head]
    }
    // Cut off what has left, at a cost per entry that does not grow with how many there are.
    if (this.#head > 0 && this.#head * 2 >= this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#head)
      this.#head = 0
    }
    return this.#bytes
  }

  /** An empty queue takes anything: else a packet longer than the queue could never pass. */
  hasRoom(bytes: number, now: number, queueBytes: number): boolean {
    const waiting = this.waitingBytes(now)
    return waiting === 0 || waiting + bytes <= queueBytes
  }

  /** When less than that waits, if nothing more is put in. */
  lessThanAt(bytes: number, now: number): number {
    let waiting = this.waitingBytes(now)
    let at = now
    for (let i = this.#head; waiting >= bytes; i++) {
      const entry = this.#waiting[i]
      if (entry === undefined) break
      waiting -= entry.bytes
      at = entry.leavesAt
    }
    return at
  }

  /** When the last byte has left. Undefined rate: at once, but never before what is still waiting. */
  put(bytes: number, now: number, bytesPerSecond: number | undefined): number {
    const begins = Math.max(now, this.#freeAt)
    this.#freeAt = bytesPerSecond === undefined ? begins : begins + (bytes * 1000) / bytesPerSecond
    if (this.#freeAt > now) {
      this.#waiting.push({ bytes, leavesAt: this.#freeAt })
      this.#bytes += bytes
    }
    return this.#freeAt
  }
}
