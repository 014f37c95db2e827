import type { ErrorCode } from '../../base/error-codes.ts'
import type { EgressRotation } from './egress-rotation.ts'

/**
 * What an origin's connections leave through, and what became of them.
 *
 * @example
 * ```ts
 * for (const { origin, egress } of transport.stats().pools)
 *   for (const { name, isCurrent, opened, failed } of egress?.members ?? [])
 *     console.log(origin, name, isCurrent, opened, failed)
 * ```
 */
export interface EgressFigures {
  /** In `egress` of the transport. */
  readonly name: string
  readonly kind: 'proxies' | 'addresses'
  /** In order of the configuration. */
  readonly members: readonly EgressMember[]
}

/** One proxy, local address or prefix of an egress. */
export interface EgressMember {
  /** `http://proxy.example:3128`, `192.0.2.7`, `2001:db8::/64`: no credentials are in it. */
  readonly name: string
  /** New connections leave through it. */
  readonly isCurrent: boolean
  /** Connections that left through it; of a proxy: tunnels. */
  readonly opened: number
  /** Those of the tunnels that are for UDP, and carry QUIC. */
  readonly udpTunnels: number
  /** Connects that failed for it, by error code. */
  readonly failed: Readonly<Partial<Record<ErrorCode, number>>>
  /** For how long it is left alone yet, after it has failed. 0: it is not. */
  readonly backoffMs: number
}

/** Counts what became of connects, for each proxy or address of an egress. */
export class EgressCounts {
  readonly #names: readonly string[]
  readonly #opened: number[]
  readonly #udpTunnels: number[]
  readonly #failed: Partial<Record<ErrorCode, number>>[]

  constructor(names: readonly string[]) {
    this.#names = names
    this.#opened = names.map(() => 0)
    this.#udpTunnels = names.map(() => 0)
    this.#failed = names.map(() => ({}))
  }

  onOpened(member: number, isUdpTunnel = false): void {
    this.#opened[member] = (this.#opened[member] ?? 0) + 1
    if (isUdpTunnel) this.#udpTunnels[member] = (this.#udpTunnels[member] ?? 0) + 1
  }

  onFailed(member: number, code: ErrorCode): void {
    const failed = this.#failed[member]
    if (failed !== undefined) failed[code] = (failed[code] ?? 0) + 1
  }

  /** `members`: those that the rotation is over, in its order; left out: all. */
  figures(
    rotation: Pick<EgressRotation, 'current' | 'backoff'>,
    now: number,
    members: readonly number[] = this.#names.map((_, member) => member),
  ): EgressMember[] {
    const current = rotation.current(now)?.index
    return members.map((member, index) => ({
      name: this.#names[member] ?? '',
      isCurrent: index === current,
      opened: this.#opened[member] ?? 0,
      udpTunnels: this.#udpTunnels[member] ?? 0,
      failed: { ...this.#failed[member] },
      backoffMs: rotation.backoff(index, now)?.leftMs ?? 0,
    }))
  }
}
