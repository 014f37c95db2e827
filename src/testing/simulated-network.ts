import type { Clock } from '../base/clock.ts'
import { seededRandom } from '../base/seeded-random.ts'

/**
 * A network in memory, for protocols without I/O of their own: both sides run on one FakeClock, nothing is
 * real, and the same seed gives the same run to the byte (the idea of quinn-proto's `Pair`). A pipe is what
 * TCP offers: bytes in order, none lost. A link is what UDP offers: datagrams that may be lost, doubled,
 * delayed and overtaken.
 *
 * @example
 * ```ts
 * const clock = new FakeClock()
 * const [client, server] = new SimulatedNetwork(clock, 7).link({ latencyMs: 20, lossRate: 0.01 })
 * ```
 */
export class SimulatedNetwork {
  readonly #clock: Clock
  readonly #random: () => number

  constructor(clock: Clock, seed = 1) {
    this.#clock = clock
    this.#random = seededRandom(seed)
  }

  /** Two ends of a byte stream. */
  pipe(conditions: PathConditions): [PipeEnd, PipeEnd] {
    const one = new PipeEnd(this.#clock, conditions)
    const other = new PipeEnd(this.#clock, conditions)
    PipeEnd.connect(one, other)
    return [one, other]
  }

  /**
   * Two ends of a datagram path. `conditions` may be changed at any time, e.g. to `lossRate: 1` for a black
   * hole.
   */
  link(conditions: LinkConditions): [DatagramEnd, DatagramEnd] {
    const one = new DatagramEnd(this.#clock, this.#random, conditions)
    const other = new DatagramEnd(this.#clock, this.#random, conditions)
    DatagramEnd.connect(one, other)
    return [one, other]
  }
}

/** How long a path takes, and how much it carries. */
export interface PathConditions {
  /** One way. */
  latencyMs: number
  /** Each way; without it bytes take no time of their own. */
  bytesPerSecond?: number
}

/** What a link does to datagrams. */
export interface LinkConditions extends PathConditions {
  /** Shares of datagrams, 0 to 1. */
  lossRate?: number
  duplicateRate?: number
  /** These are held back by `reorderDelayMs`, so that later ones overtake them. */
  reorderRate?: number
  /** Default: the latency. */
  reorderDelayMs?: number
  /** Larger datagrams vanish, as on a path whose ICMP is filtered. */
  maxDatagramBytes?: number
}

/** When a piece that is sent now has wholly left: one piece after the other, at the rate of the path. */
class Serializer {
  #freeAtMs = 0

  departureMs(now: number, bytes: number, bytesPerSecond: number | undefined): number {
    const start = Math.max(now, this.#freeAtMs)
    this.#freeAtMs = bytesPerSecond === undefined ? start : start + (bytes * 1000) / bytesPerSecond
    return this.#freeAtMs
  }
}

/** One end of a byte stream. Set the callbacks before time moves: what arrives without one is dropped. */
export class PipeEnd {
  onData: (chunk: Buffer) => void = () => {}
  /** The other end said end(): no more bytes will come. */
  onEnd: () => void = () => {}
  /** The other end said reset(): everything under way is lost. */
  onReset: () => void = () => {}
  readonly #clock: Clock
  readonly #conditions: PathConditions
  readonly #serializer = new Serializer()
  #peer: PipeEnd | undefined
  #sending: 'open' | 'ended' | 'reset' = 'open'
  #bytesInFlight = 0

  constructor(clock: Clock, conditions: PathConditions) {
    this.#clock = clock
    this.#conditions = conditions
  }

  /** Sent and not yet arrived. */
  get bytesInFlight(): number {
    return this.#bytesInFlight
  }

  /** Sends a copy, so that the caller's memory is free at once. */
  write(bytes: Uint8Array): void {
    if (this.#sending !== 'open') throw new Error(`write on a pipe that was ${this.#sending}`)
    const copy = Buffer.from(bytes)
    this.#bytesInFlight += copy.length
    this.#deliver(copy.length, peer => {
      this.#bytesInFlight -= copy.length
      peer.onData(copy)
    })
  }

  end(): void {
    if (this.#sending !== 'open') return
    this.#sending = 'ended'
    this.#deliver(0, peer => peer.onEnd())
  }

  /** Ends both directions; bytes that are under way from here never arrive. */
  reset(): void {
    if (this.#sending === 'reset') return
    this.#sending = 'reset'
    this.#clock.setTimer(this.#conditions.latencyMs, () => {
      const peer = this.#peer
      if (peer === undefined || peer.#sending === 'reset') return
      peer.#sending = 'reset'
      peer.onReset()
    })
  }

  #deliver(bytes: number, arrive: (peer: PipeEnd) => void): void {
    const now = this.#clock.now()
    const departure = this.#serializer.departureMs(now, bytes, this.#conditions.bytesPerSecond)
    this.#clock.setTimer(departure - now + this.#conditions.latencyMs, () => {
      const peer = this.#peer
      if (peer !== undefined && this.#sending !== 'reset' && peer.#sending !== 'reset') arrive(peer)
    })
  }

  static connect(one: PipeEnd, other: PipeEnd): void {
    one.#peer = other
    other.#peer = one
  }
}

/** What became of the datagrams that one end sent. */
export interface LinkStats {
  sent: number
  lost: number
  duplicated: number
  reordered: number
}

/** One end of a datagram path. */
export class DatagramEnd {
  onDatagram: (datagram: Buffer) => void = () => {}
  readonly stats: LinkStats = { sent: 0, lost: 0, duplicated: 0, reordered: 0 }
  readonly #clock: Clock
  readonly #random: () => number
  readonly #conditions: LinkConditions
  readonly #serializer = new Serializer()
  #peer: DatagramEnd | undefined

  constructor(clock: Clock, random: () => number, conditions: LinkConditions) {
    this.#clock = clock
    this.#random = random
    this.#conditions = conditions
  }

  /** Sends a copy, so that the caller's memory is free at once. */
  send(datagram: Uint8Array): void {
    const { lossRate = 0, duplicateRate = 0, reorderRate = 0, latencyMs } = this.#conditions
    const { reorderDelayMs = latencyMs, maxDatagramBytes = 65_507, bytesPerSecond } = this.#conditions
    const now = this.#clock.now()
    // All the dice are thrown for every datagram, so that a changed rate does not shift the luck of the later
    // ones.
    const isLost = this.#random() < lossRate || datagram.length > maxDatagramBytes
    const isDuplicated = this.#random() < duplicateRate
    const isReordered = this.#random() < reorderRate
    this.stats.sent++
    const leavesInMs = this.#serializer.departureMs(now, datagram.length, bytesPerSecond) - now
    if (isLost) {
      this.stats.lost++
      return
    }
    if (isReordered) this.stats.reordered++
    if (isDuplicated) this.stats.duplicated++
    const copy = Buffer.from(datagram)
    const arrivesInMs = leavesInMs + latencyMs + (isReordered ? reorderDelayMs : 0)
    const copies = isDuplicated ? 2 : 1
    for (let i = 0; i < copies; i++) this.#clock.setTimer(arrivesInMs, () => this.#peer?.onDatagram(copy))
  }

  static connect(one: DatagramEnd, other: DatagramEnd): void {
    one.#peer = other
    other.#peer = one
  }
}
