import type { Clock } from '../../base/clock.ts'
import type { Connection } from '../../base/events/connection.ts'
import type { Observer } from '../../base/events/observer.ts'
import type { Origin } from '../../base/http/origin.ts'
import { MultiplexedConnection } from '../../http/multiplex/connection.ts'
import type { KnownFact } from '../../select/evidence/evidence.ts'
import type { OriginPools } from '../origin-pools.ts'
import type { OriginSettings } from '../origin-settings.ts'
import type { Coalescing, CoalescingMissed } from './coalescing.ts'

export interface OriginCoalescingParts {
  readonly origin: Origin
  readonly settings: Pick<OriginSettings, 'coalesce' | 'certificateNames'>
  readonly pools: OriginPools
  /** Of all origins. */
  readonly coalescing: Coalescing
  readonly clock: Clock
  readonly observer: Observer
}

/**
 * One origin among those that share connections: offers its own ones to others, and leaves those of others
 * that are not for it.
 */
export class OriginCoalescing {
  readonly #parts: OriginCoalescingParts
  /** The last connection of another origin that was not to be had. */
  #missed: CoalescingMissed | undefined
  #uncovered = 0

  constructor(parts: OriginCoalescingParts) {
    this.#parts = parts
    this.#missed = undefined
  }

  /** Others may use it, once its peer has shown who it is. */
  offer(connection: Connection): void {
    const { origin, settings, pools, coalescing } = this.#parts
    const { kind, earlyData } = connection.handshake
    const isVerified = kind !== 'early_data' || earlyData !== 'none'
    if (!isVerified || !(connection instanceof MultiplexedConnection)) return
    const lane = Array.from(pools.lanes).find(({ pool }) => pool.has(connection))
    if (lane === undefined) return
    const { connector, pool } = lane
    coalescing.offer({
      owner: origin,
      connection,
      policy: connector.policy,
      mayCoalesce: settings.coalesce === 'auto',
      vouchedNames: settings.certificateNames,
      lend: () => pool.lend(connection),
      quic: connector.linkOf(connection)?.quic,
      readPath: () => connector.pathOf(connection),
    })
  }

  /** The last connection of another origin that was not to be had, unless one was joined since. */
  get missed(): CoalescingMissed | undefined {
    return this.#missed
  }

  /** How often that was since its certificate does not cover this one. */
  get uncovered(): number {
    return this.#uncovered
  }

  /** It takes no more requests, or has ended. */
  withdraw(connection: Connection): void {
    if (connection instanceof MultiplexedConnection) this.#parts.coalescing.withdraw(connection)
  }

  /** A connection of another origin carries requests of this one. */
  onJoined(): void {
    this.#missed = undefined
  }

  /** A connection of another origin was not to be had. */
  onMissed(missed: CoalescingMissed): void {
    const { origin, observer } = this.#parts
    this.#missed = missed
    const { reason, owner, because } = missed
    if (reason === 'certificate') this.#uncovered += 1
    observer({ type: 'coalescing-refused', origin, reason, owner, because })
  }

  /** A connection of another origin may carry this one no more. */
  onDismissed(guest: Connection): void {
    this.#parts.pools.retire(guest, 'misdirected')
  }

  /** ORIGIN frames have changed what the connection is good for. */
  onOrigins(connection: MultiplexedConnection): void {
    const { coalescing, clock } = this.#parts
    coalescing.onOrigins(connection, clock.now())
  }

  /** It has answered 421: it leaves all connections of others, and joins none for a while. */
  onMisdirected({ sharedBy }: Connection): void {
    const { origin, pools, coalescing, clock } = this.#parts
    coalescing.onMisdirected(origin, clock.now())
    const because = `${origin.key} has answered 421 to a request over a connection of ${sharedBy?.owner}`
    this.onMissed({ kind: 'refused', reason: 'misdirected', owner: sharedBy?.owner ?? '', because })
    for (const connection of pools.connections())
      if (connection.sharedBy !== undefined) this.onDismissed(connection)
  }

  /** Whose connections carry its requests, and whom its own ones carry, or why none does; for `explain`. */
  facts(now: number): KnownFact[] {
    const { origin, settings, pools, coalescing } = this.#parts
    const facts = pools.connections().flatMap(connection => this.#factsOf(connection))
    if (settings.coalesce === 'never')
      return [...facts, { fact: 'no connection is shared', evidence: 'coalesce is never' }]
    const avoidedMs = coalescing.avoidedMs(origin, now)
    if (avoidedMs > 0) {
      const evidence = `it has answered 421; for ${Math.ceil(avoidedMs / 60_000)} min it has connections of its own`
      return [...facts, { fact: 'no connection of another origin is used', evidence }]
    }
    if (this.#missed === undefined) return facts
    const { owner, reason, because } = this.#missed
    return [...facts, { fact: `a connection of ${owner} is not used (${reason})`, evidence: because }]
  }

  #factsOf(connection: Connection): KnownFact[] {
    const { sharedBy, protocol, id } = connection
    const name = `${protocol}#${id}`
    if (sharedBy !== undefined)
      return [{ fact: `requests go over ${name} of ${sharedBy.owner}`, evidence: sharedBy.because }]
    const isShareable = connection instanceof MultiplexedConnection
    const guests = isShareable ? this.#parts.coalescing.guestsOf(connection) : []
    if (guests.length === 0) return []
    const evidence = 'its address and certificate cover them'
    return [{ fact: `${name} carries requests of ${guests.join(', ')} as well`, evidence }]
  }
}
