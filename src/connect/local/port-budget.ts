import { TransportError } from '../../base/errors.ts'
import type { PortRange } from '../native/port-range.ts'

/** From where to where: those that differ in either share no ports. */
export interface PortPair {
  readonly transport: 'tcp' | 'udp'
  /** Empty: what the kernel chooses. */
  readonly local: string
  /** Empty: to everywhere, since a port that bind(2) takes is taken for all destinations. */
  readonly remote: string
}

/** The port of one connection. */
export interface PortLease {
  /** The connection is gone. Once is enough, and more does no harm. */
  release(): void
  /** The kernel has found no port for it: nor will it for the next one. */
  onRefused(now: number): void
}

/** The ports between one local address and one peer. */
export interface PortPairFigures extends PortPair {
  readonly inUse: number
}

/**
 * Local ports of the connections of this process.
 *
 * @example
 * ```ts
 * const { budget, pairs } = transport.stats().ports
 * for (const { local, remote, inUse } of pairs) console.log(local, remote, inUse, budget)
 * ```
 */
export interface PortFigures {
  /** How many connections there may be of each pair. Undefined: nobody says but the kernel. */
  readonly budget: number | undefined
  /** Those with the most connections, the fullest first. */
  readonly pairs: readonly PortPairFigures[]
  /** Connects that were refused, by the budget or by the kernel. */
  readonly refused: number
}

interface Pair extends PortPair {
  inUse: number
}

export interface PortBudgetOptions {
  /** Of the ports that there are, 0 to 1. 0: no bound. */
  readonly share: number
  readonly readRange: () => PortRange | undefined
}

const RANGE_FOR_MS = 10_000
/** For so long the kernel is believed that there are none. */
const REFUSED_FOR_MS = 1_000
/** With more pairs, what the kernel has said of all of them is forgotten. */
const MAX_REFUSED = 256
const MAX_SHOWN = 16

/**
 * Counts the connections of each pair of a local address and a peer, which have one local port each, and
 * refuses those that the kernel would have no port for, or find one by trying thousands: the search for a
 * free one takes the longer the fewer there are. What other processes have, and what is in TIME_WAIT, is not
 * counted: the rest of the range is for these. Pure, but for the function that it is handed.
 */
export class PortBudget {
  readonly #readRange: () => PortRange | undefined
  /** Those with a connection. */
  readonly #pairs = new Map<string, Pair>()
  /** Until when the kernel is believed to have no port, by the key of a pair. */
  readonly #refusedUntil = new Map<string, number>()
  #share: number
  #range: PortRange | undefined
  #rangeUntil = Number.NEGATIVE_INFINITY
  #refused = 0

  constructor({ share, readRange }: PortBudgetOptions) {
    this.#share = share
    this.#readRange = readRange
  }

  set share(share: number) {
    this.#share = share
  }

  /** A port for one more connection of the pair, or why there is none. */
  take(pair: PortPair, now: number): PortLease | TransportError {
    const key = `${pair.transport} ${pair.local} ${pair.remote}`
    const known = this.#pairs.get(key)
    const budget = this.#budget(now)
    const isFull = known !== undefined && budget !== undefined && known.inUse >= budget
    if (isFull || this.#isRefused(key, now)) {
      this.#refused += 1
      return this.#refusal(pair, known?.inUse ?? 0, isFull)
    }
    const taken = known ?? { ...pair, inUse: 0 }
    taken.inUse += 1
    this.#pairs.set(key, taken)
    return this.#lease(key, taken)
  }

  figures(now: number): PortFigures {
    const pairs = [...this.#pairs.values()]
      .filter(({ inUse }) => inUse > 0)
      .sort((a, b) => b.inUse - a.inUse)
      .slice(0, MAX_SHOWN)
      .map(pair => ({ ...pair }))
    return { budget: this.#budget(now), pairs, refused: this.#refused }
  }

  #lease(key: string, pair: Pair): PortLease {
    let isHeld = true
    return {
      release: () => {
        if (!isHeld) return
        isHeld = false
        pair.inUse -= 1
        if (pair.inUse === 0) this.#pairs.delete(key)
      },
      onRefused: now => {
        this.#refused += 1
        if (this.#refusedUntil.size >= MAX_REFUSED) this.#refusedUntil.clear()
        this.#refusedUntil.set(key, now + REFUSED_FOR_MS)
      },
    }
  }

  #isRefused(key: string, now: number): boolean {
    const until = this.#refusedUntil.get(key)
    if (until === undefined) return false
    if (until > now) return true
    this.#refusedUntil.delete(key)
    return false
  }

  /** Undefined: without a bound. One connection is always possible. */
  #budget(now: number): number | undefined {
    if (this.#share === 0) return undefined
    if (now >= this.#rangeUntil) {
      this.#range = this.#readRange()
      this.#rangeUntil = now + RANGE_FOR_MS
    }
    return this.#range && Math.max(1, Math.floor(this.#range.count * this.#share))
  }

  #refusal({ transport, local, remote }: PortPair, inUse: number, isFull: boolean): TransportError {
    const from = local === '' ? 'from this machine' : `from ${local}`
    const to = remote === '' ? '' : ` to ${remote}`
    const because = isFull
      ? `of ${this.#range?.count} ports (limits.maxPortShare = ${this.#share})`
      : 'and the kernel has no port for another one'
    const message = `the local ${transport.toUpperCase()} ports ${from}${to} are used up: ${inUse} connections are open, ${because}`
    return new TransportError('MM_PORTS_EXHAUSTED', message)
  }
}
