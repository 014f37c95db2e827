import type { Priority } from './messages/priority.ts'

/** What stands in a SendQueue. All but its priority is written by the queue. */
export interface Sender {
  readonly priority: Priority
  /** It stands in the queue. */
  isQueued: boolean
  /** Its neighbors among its equals there. */
  queuedBefore: Sender | undefined
  queuedBehind: Sender | undefined
}

/** Those of one urgency: a doubly linked list, whose links are the streams' own. */
interface Rank {
  first: Sender | undefined
  last: Sender | undefined
}

/** RFC 9218 4.1: urgency is 0 to 7. */
const URGENCIES = 8

/**
 * The streams that have something to send and a window for it, in the order of RFC 9218 10: more urgent ones
 * first; of equal urgency the incremental ones take turns, and the others go one after the other, in the
 * order in which they came. Each call costs the same however many streams stand there.
 */
export class SendQueue<Stream extends Sender> {
  readonly #ranks: Rank[] = Array.from({ length: URGENCIES }, () => ({ first: undefined, last: undefined }))
  #size = 0

  get isEmpty(): boolean {
    return this.#size === 0
  }

  add(stream: Stream): void {
    if (stream.isQueued) return
    stream.isQueued = true
    append(this.#rank(stream), stream)
    this.#size += 1
  }

  first(): Stream | undefined {
    if (this.#size === 0) return undefined
    for (const { first } of this.#ranks) if (first !== undefined) return first as Stream // all that is added
    return undefined
  }

  /** It has sent a frame: an incremental one goes behind its equals. */
  onSent(stream: Stream): void {
    if (!stream.priority.incremental) return
    const rank = this.#rank(stream)
    if (rank.first !== stream || rank.last === stream) return
    unlink(rank, stream)
    append(rank, stream)
  }

  remove(stream: Stream): void {
    if (!stream.isQueued) return
    stream.isQueued = false
    unlink(this.#rank(stream), stream)
    this.#size -= 1
  }

  #rank(stream: Stream): Rank {
    return this.#ranks[stream.priority.urgency] as Rank // urgency is 0 to 7
  }
}

function append(rank: Rank, stream: Sender): void {
  const { last } = rank
  stream.queuedBefore = last
  if (last === undefined) rank.first = stream
  else last.queuedBehind = stream
  rank.last = stream
}

/** The links of a stream that stands nowhere are undefined: it keeps no other one alive. */
function unlink(rank: Rank, stream: Sender): void {
  const { queuedBefore, queuedBehind } = stream
  if (queuedBefore === undefined) rank.first = queuedBehind
  else queuedBefore.queuedBehind = queuedBehind
  if (queuedBehind === undefined) rank.last = queuedBefore
  else queuedBehind.queuedBefore = queuedBefore
  stream.queuedBefore = undefined
  stream.queuedBehind = undefined
}
