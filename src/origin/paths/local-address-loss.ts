import type { Clock, Timer } from '../../base/clock.ts'
import type { CloseReason, Connection } from '../../base/events/connection.ts'
import { guarded } from '../../base/guard.ts'
import { isHere } from '../../base/local-addresses.ts'

export interface LocalAddressLossParts {
  readonly clock: Clock
  /** The addresses that this machine has now. A look takes 0.15 ms (two interfaces, Node 20). */
  readonly present: () => ReadonlySet<string>
  /** When it is looked again whether an address stays away. */
  readonly checkMs: number
  /** Those that are open. */
  readonly connections: () => readonly Connection[]
  /** Gives the connection no more exchanges; it ends with those that it carries. */
  readonly retire: (connection: Connection, reason: CloseReason) => void
}

/**
 * Ends TCP connections whose local address this machine has lost: nothing comes over them any more, and
 * nobody says so.
 * 1. They get no more exchanges, and idle ones end at once (`address-gone`).
 * 2. Those with exchanges end when the address is still away at the next look (`path-failed`), and the replay
 *    rules see to what they carried. An interface that flaps, or a lease that is renewed, takes an address
 *    away for a moment, and TCP lives through that.
 * 3. An address that this machine never listed is left alone: the kernel may route to itself what no
 *    interface has.
 */
export class LocalAddressLoss {
  readonly #parts: LocalAddressLossParts
  /** The local addresses of connections, as far as they were listed. */
  readonly #locals = new WeakMap<Connection, string>()
  #listed: ReadonlySet<string> = new Set()
  /** Of the lost ones, since when. */
  #missing = new Map<Connection, number>()
  #timer: Timer | undefined

  constructor(parts: LocalAddressLossParts) {
    this.#parts = parts
  }

  /** A connection over TCP stands; `localAddress` as Node tells it. */
  onConnected(connection: Connection, localAddress: string | undefined): void {
    if (localAddress === undefined) return
    const [address = ''] = localAddress.split('%') // of a link-local one, the zone
    if (!isHere(address, this.#listed)) this.#listed = this.#parts.present()
    if (isHere(address, this.#listed)) this.#locals.set(connection, address)
  }

  /** The addresses of this machine have changed to these. */
  onAddresses(present: ReadonlySet<string>): void {
    this.#listed = present
    const now = this.#parts.clock.now()
    const before = this.#missing
    this.#missing = new Map(this.#lost(present).map(lost => [lost, before.get(lost) ?? now]))
    for (const connection of this.#missing.keys())
      if (!before.has(connection)) this.#parts.retire(connection, 'address-gone') // 1
    if (this.#timer === undefined) this.#arm(now)
  }

  close(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #arm(now: number): void {
    if (this.#missing.size === 0) return
    const dueAt = Math.min(...this.#missing.values()) + this.#parts.checkMs
    this.#timer = this.#parts.clock.setTimer(dueAt - now, () => {
      this.#timer = undefined
      this.#confirm()
    })
  }

  #confirm(): void {
    const { clock, checkMs, present } = this.#parts
    const now = clock.now()
    const lost = new Set(this.#lost(present()))
    for (const [connection, since] of this.#missing) {
      if (lost.has(connection) && since + checkMs > now) continue
      this.#missing.delete(connection)
      if (lost.has(connection)) guarded('ending a lost connection', () => connection.close('path-failed')) // 2
    }
    this.#arm(now)
  }

  #lost(present: ReadonlySet<string>): Connection[] {
    return this.#parts.connections().filter(connection => {
      const local = this.#locals.get(connection)
      return local !== undefined && !isHere(local, present)
    })
  }
}
