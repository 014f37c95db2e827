import type { Priority } from './priority.ts'

/** What stands in a SendQueue. */
export interface Sender {
  readonly priority: Priority
  /** It stands in the queue: written by the queue. */
  isQueued: boolean
}

/**
 * The streams that have something to send and a window for it, in the order of RFC 9218 10: more urgent ones first; of equal urgency
 * the incremental ones take turns, and the others go one after the other, in the order in which they came.
 */
export class SendQueue<Stream extends Sender> {
  readonly #byUrgency: Stream[][] = [[], [], [], [], [], [], [], []]
  #size = 0

  get isEmpty(): boolean {
    return this.#size === 0
  }

  add(stream: Stream): void {
    if (stream.isQueued) return
    stream.isQueued = true
    this.#rank(stream).push(stream)
    this.#size += 1
  }

  first(): Stream | undefined {
    if (this.#size === 0) return undefined
    for (const rank of this.#byUrgency) if (rank.length > 0) return rank[0]
    return undefined
  }

  /** It has sent a frame: an incremental one goes behind its equals. */
  onSent(stream: Stream): void {
    if (!stream.priority.incremental) return
    const rank = this.#rank(stream)
    if (rank.length > 1 && rank[0] === stream) {
      rank.shift()
      rank.push(stream)
    }
  }

  remove(stream: Stream): void {
    if (!stream.isQueued) return
    stream.isQueued = false
    const rank = this.#rank(stream)
    const index = rank.indexOf(stream)
    if (index >= 0) rank.splice(index, 1)
    this.#size -= 1
  }

  #rank(stream: Stream): Stream[] {
    return this.#byUrgency[stream.priority.urgency] as Stream[] // urgency is 0 to 7
  }
}
