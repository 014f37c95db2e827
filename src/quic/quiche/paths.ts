import { randomBytes } from 'node:crypto'
import type { QuicEvent, UdpAddress } from '../engine.ts'
import type { NativeConnection, NativePathEvent } from './binding.ts'
import type { EventQueue } from './event-queue.ts'

const OUTCOMES = {
  New: 'new',
  Validated: 'validated',
  FailedValidation: 'failed',
  Closed: 'closed',
} as const

const CONNECTION_ID_BYTES = 16

export interface PathsOptions {
  readonly native: NativeConnection
  readonly events: EventQueue
  readonly role: 'client' | 'server'
  readonly local: UdpAddress
  readonly remote: UdpAddress
  readonly allowsSecondPath: boolean
}

/**
 * The addresses of a connection. Unless a second path is allowed there is one, and what comes from elsewhere never reaches quiche: with
 * two paths a hostile peer can make its send() loop for ever (CVE-2025-7054), and fill its queue of path events.
 *
 * With it, a client gives the server ids for its own new paths by itself (its socket needs none to find it); a server's endpoint does
 * that, since it must know them. retire_destination_cid is never called: that is the other way into CVE-2025-7054.
 */
export class Paths {
  readonly #options: PathsOptions
  /** One object for what nearly all datagrams have. */
  readonly #usual: { readonly from: UdpAddress; readonly to: UdpAddress }

  constructor(options: PathsOptions) {
    this.#options = options
    this.#usual = { from: options.remote, to: options.local }
  }

  /** What quiche is told of a datagram; undefined: it is none of ours. */
  infoFor(
    from: UdpAddress,
    to: UdpAddress,
  ): { readonly from: UdpAddress; readonly to: UdpAddress } | undefined {
    const { local, remote, allowsSecondPath } = this.#options
    if (isSame(from, remote) && isSame(to, local)) return this.#usual
    return allowsSecondPath ? { from, to } : undefined
  }

  poll(): void {
    if (!this.#options.allowsSecondPath) return
    const { native, events, local, role } = this.#options
    if (role === 'client' && native.isEstablished()) {
      while (native.sourceCidsLeft() > 0) this.issueId(randomBytes(CONNECTION_ID_BYTES))
      while (native.retiredScidNext() !== null) {
        // Nobody looks connections of this socket up by their ids.
      }
    }
    for (let event = native.pathEventNext(); event !== null; event = native.pathEventNext()) {
      const told = pathEvent(event, local)
      if (told !== undefined) events.push(told)
    }
  }

  get canMigrate(): boolean {
    const { native, role, allowsSecondPath } = this.#options
    if (!allowsSecondPath || role !== 'client' || !native.isEstablished()) return false
    // quiche does not hold itself to the peer's disable_active_migration.
    return native.availableDcids() > 0 && !native.stats().peerDisableActiveMigration
  }

  probe(local: UdpAddress, remote: UdpAddress): boolean {
    return this.canMigrate && this.#try(() => this.#options.native.probePath(local, remote))
  }

  migrate(local: UdpAddress, remote: UdpAddress): boolean {
    const { native, role, allowsSecondPath } = this.#options
    if (!allowsSecondPath || role !== 'client' || native.stats().peerDisableActiveMigration) return false
    if (!this.#try(() => native.migrate(local, remote))) return false
    // One who only downloads would send nothing on the new path, and the server would never learn of it.
    native.sendAckEliciting()
    return true
  }

  idsLeft(): number {
    const { native, allowsSecondPath } = this.#options
    return allowsSecondPath && native.isEstablished() ? native.sourceCidsLeft() : 0
  }

  issueId(id: Buffer): void {
    const token = randomBytes(16)
    this.#options.native.newSourceCid(id, BigInt(`0x${token.toString('hex')}`), false)
  }

  /** OutOfIdentifiers, InvalidState: there are no ids left, or the path is unknown. */
  #try(act: () => unknown): boolean {
    try {
      act()
      return true
    } catch {
      return false
    }
  }
}

function isSame(a: UdpAddress, b: UdpAddress): boolean {
  return a === b || (a.port === b.port && a.host === b.host)
}

function pathEvent(event: NativePathEvent, local: UdpAddress): QuicEvent | undefined {
  if (event.type === 'ReusedSourceConnectionId') return undefined
  if (event.type === 'PeerMigrated') {
    return { type: 'path', outcome: 'peer-migrated', local, remote: event.new }
  }
  return { type: 'path', outcome: OUTCOMES[event.type], local: event.local, remote: event.peer }
}
