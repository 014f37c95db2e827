import { type Conditions, DEFAULT_QUEUE_BYTES } from './conditions.ts'
import { PacketLossModel } from './packet-loss-model.ts'
import type { RateQueue } from './rate-queue.ts'

/** What became of the datagrams of one direction. */
export interface DatagramCounts {
  /** Came to the path. */
  packets: number
  bytes: number
  /** Came out at its other end, copies included. */
  delivered: number
  deliveredBytes: number
  /** By chance, one by one or in bursts. */
  lost: number
  /** Of those: in bursts. */
  lostInBursts: number
  /** Found the queue of the bottleneck full. */
  overflowed: number
  /** Black hole, silence or filter. */
  swallowed: number
  /** Held back, so that others could overtake. */
  late: number
  doubled: number
}

/**
 * What may be under way in one direction without a rate that says so: 100 ms at 640 MB/s. Beyond it datagrams
 * overflow, as everywhere.
 */
const MAX_UNDER_WAY_BYTES = 67_108_864

interface InFlight<T> {
  readonly item: T
  readonly bytes: number
}

/**
 * One direction of a path of datagrams: what is put in comes out later, in another order, twice or never. It
 * has no clock. What happens to a datagram, in turn:
 * 1. a black hole swallows it;
 * 2. the queue before the bottleneck has no room for it;
 * 3. it passes the bottleneck at its rate (what is lost behind it has taken its time there as well);
 * 4. chance loses it;
 * 5. it travels for the delay and its jitter, never past what went before it, unless it is one of those that
 *    are held back; its copy comes right behind it.
 */
export class DatagramLine<T> {
  readonly counts: DatagramCounts = emptyCounts()
  readonly #fates: PacketLossModel
  readonly #narrow: RateQueue
  readonly #underWay = new DueQueue<InFlight<T>>()
  #bytesUnderWay = 0
  #lastDueAt = Number.NEGATIVE_INFINITY

  constructor(seed: number, narrow: RateQueue) {
    this.#fates = new PacketLossModel(seed)
    this.#narrow = narrow
  }

  /** When the next one comes out; Infinity: nothing is under way. */
  get nextDueAt(): number {
    return this.#underWay.nextDueAt
  }

  put(item: T, bytes: number, now: number, conditions: Conditions): void {
    const { counts } = this
    counts.packets++
    counts.bytes += bytes
    // Drawn whatever happens, so that the next one has its own.
    const fate = this.#fates.next(conditions)
    if (conditions.isBlackHole === true) {
      counts.swallowed++
      return
    }
    const { delayMs = 0, bytesPerSecond, queueBytes = DEFAULT_QUEUE_BYTES } = conditions
    const hasRoom = this.#narrow.hasRoom(bytes, now, queueBytes)
    if (!hasRoom || this.#bytesUnderWay + bytes > MAX_UNDER_WAY_BYTES) {
      counts.overflowed++
      return
    }
    const leavesAt = this.#narrow.put(bytes, now, bytesPerSecond)
    if (fate.kind === 'lost') {
      counts.lost++
      if (fate.because === 'burst') counts.lostInBursts++
      return
    }
    const dueAt = Math.max(this.#lastDueAt, leavesAt + delayMs + fate.jitterMs)
    if (fate.isDoubled) counts.doubled++
    if (fate.isLate) counts.late++
    else this.#lastDueAt = dueAt
    const heldBackMs = fate.isLate ? (conditions.reorderDelayMs ?? 2 * delayMs) : 0
    for (let copies = fate.isDoubled ? 2 : 1; copies > 0; copies--) {
      this.#underWay.put({ item, bytes }, dueAt + heldBackMs)
      this.#bytesUnderWay += bytes
    }
  }

  /** What comes out next, when its time has come. */
  take(now: number): T | undefined {
    const item = this.#underWay.take(now)
    if (item === undefined) return undefined
    this.#bytesUnderWay -= item.bytes
    this.counts.delivered++
    this.counts.deliveredBytes += item.bytes
    return item.item
  }
}

function emptyCounts(): DatagramCounts {
  return {
    packets: 0,
    bytes: 0,
    delivered: 0,
    deliveredBytes: 0,
    lost: 0,
    lostInBursts: 0,
    overflowed: 0,
    swallowed: 0,
    late: 0,
    doubled: 0,
  }
}

interface Entry<T> {
  readonly item: T
  readonly dueAt: number
}

/** Items in order of when they are due; those of the same moment in the order in which they were put in. */
export class DueQueue<T> {
  #entries: Entry<T>[] = []
  #head = 0

  get size(): number {
    return this.#entries.length - this.#head
  }

  /** Infinity: there is none. */
  get nextDueAt(): number {
    return this.#entries[this.#head]?.dueAt ?? Number.POSITIVE_INFINITY
  }

  put(item: T, dueAt: number): void {
    // Nearly all belong at the end or close to it: a few late ones are passed.
    let at = this.#entries.length
    while (at > this.#head && (this.#entries[at - 1]?.dueAt ?? dueAt) > dueAt) at--
    if (at === this.#entries.length) this.#entries.push({ item, dueAt })
    else this.#entries.splice(at, 0, { item, dueAt })
  }

  /** The first item, when its time has come. */
  take(now: number): T | undefined {
    const first = this.#entries[this.#head]
    if (first === undefined || first.dueAt > now) return undefined
    this.#head++
    if (this.#head * 2 >= this.#entries.length) {
      this.#entries = this.#entries.slice(this.#head)
      this.#head = 0
    }
    return first.item
  }
}
