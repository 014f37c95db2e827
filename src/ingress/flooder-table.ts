import { TokenBucket } from '../http/multiplex/token-bucket.ts'
import type { IngressLimits } from './ingress-limits.ts'

/**
 * Who a client is for limits per address: an IPv4 address by itself, an IPv6 address by its /64, which is the
 * least that one customer gets (RFC 6177). A mapped address (::ffff:192.0.2.1) is the IPv4 address that it
 * stands for.
 */
export function clientNetwork(address: string): string {
  if (!address.includes(':')) return address
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  if (mapped !== undefined) return mapped
  const [head = '', tail] = address.toLowerCase().replace(/%.*$/, '').split('::', 2)
  const groups = head === '' ? [] : head.split(':')
  if (tail !== undefined) {
    const last = tail === '' ? [] : tail.split(':')
    // The last two groups may be written as an IPv4 address.
    const lastCount = last.length + (tail.includes('.') ? 1 : 0)
    while (groups.length + lastCount < GROUPS) groups.push('0')
    groups.push(...last)
  }
  return `${groups
    .slice(0, NETWORK_GROUPS)
    .map(group => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`
}

const GROUPS = 8
const NETWORK_GROUPS = 4

/** A client on this machine is a proxy or a tool of the operator's, and stands for many. */
export function isLoopback(network: string): boolean {
  return network.startsWith('127.') || network === '0:0:0:0::/64'
}

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
