import { TokenBucket } from '../http/multiplex/token-bucket.ts'
import { clientNetwork, isLoopback } from './client-network.ts'
import type { IngressLimits } from './ingress-limits.ts'

interface Flooder {
  readonly floods: TokenBucket
  /** Its connections are refused until then, in monotonic milliseconds. */
  refusedUntilMs: number
}

const MINUTE_SECONDS = 60

/**
 * Clients whose connections a defence has ended, by address: a flood that is stopped on each connection goes
 * on when its sender connects again and again. Whoever does that more often than `maxFloodsPerMinute` is
 * refused for `floodRefusalMs`.
 */
export class FlooderTable {
  readonly #limits: FlooderLimits
  /** In the order in which they were counted last. */
  readonly #flooders = new Map<string, Flooder>()

  constructor(limits: FlooderLimits) {
    this.#limits = limits
  }

  /** A defence has ended a connection of this client. True: from now on it is refused. */
  count(address: string, now: number): boolean {
    const { maxFloodsPerMinute, floodRefusalMs, maxFlooders } = this.#limits
    if (maxFloodsPerMinute === 0 || floodRefusalMs === 0 || maxFlooders === 0) return false
    const network = clientNetwork(address)
    if (isLoopback(network)) return false
    let flooder = this.#flooders.get(network)
    if (flooder === undefined) {
      this.#makeRoom(maxFlooders)
      const floods = new TokenBucket(maxFloodsPerMinute / MINUTE_SECONDS, MINUTE_SECONDS)
      flooder = { floods, refusedUntilMs: Number.NEGATIVE_INFINITY }
    } else this.#flooders.delete(network)
    this.#flooders.set(network, flooder)
    if (flooder.floods.take(now)) return false
    const isNew = flooder.refusedUntilMs <= now
    flooder.refusedUntilMs = now + floodRefusalMs
    return isNew
  }

  /** Whether a new connection of this client is refused. */
  refuses(address: string, now: number): boolean {
    if (this.#flooders.size === 0) return false
    const flooder = this.#flooders.get(clientNetwork(address))
    return flooder !== undefined && now < flooder.refusedUntilMs
  }

  #makeRoom(maxFlooders: number): void {
    for (const oldest of this.#flooders.keys()) {
      if (this.#flooders.size < maxFlooders) return
      this.#flooders.delete(oldest)
    }
  }
}

type FlooderLimits = Pick<IngressLimits, 'maxFloodsPerMinute' | 'floodRefusalMs' | 'maxFlooders'>
