import { randomBytes } from 'node:crypto'
import type { PathEvent } from '../driven-connection.ts'
import type { QuicStats, UdpAddress } from '../engine.ts'
import { RESET_TOKEN_BYTES } from '../stateless-reset.ts'
import { type NativeConnection, type NativePathEvent, resetTokenNumber } from './binding.ts'
import { BounceSchedule } from './path-bounces.ts'

const OUTCOMES = {
  New: 'new',
  Validated: 'validated',
  FailedValidation: 'failed',
  Closed: 'closed',
} as const

const CONNECTION_ID_BYTES = 16
/**
 * Ids that a connection gives out in its life. A peer that retires each as soon as it has it would be given
 * one after the other, a datagram for a datagram; one that has used up so many can move no more, and its
 * connection is replaced.
 */
const MAX_IDS = 64
/** What refuses a move and may pass: ids come behind the handshake. */
export const NO_ID_TO_SPARE = 'the peer has no connection id to spare'
/** RFC 9002 6.2.2, RFC 9000 18.2. */
const INITIAL_RTT_MS = 333
const ACK_DELAY_MS = 25
/** A peer that moves about makes events that nobody takes: a server has no use for them. */
const MAX_EVENTS = 64
const NO_EVENTS: readonly PathEvent[] = []

export interface PathsOptions {
  readonly native: NativeConnection
  readonly role: 'client' | 'server'
  readonly local: UdpAddress
  readonly remote: UdpAddress
  readonly allowsSecondPath: boolean
  /** What the peer reaches us by at first. Undefined: only what is for this connection ever comes to it. */
  readonly connectionId?: Buffer | undefined
}

/**
 * The addresses of a connection. Unless a second path is allowed there is one, and what comes from elsewhere
 * never reaches quiche: with two paths a hostile peer can make its send() loop for ever (CVE-2025-7054), and
 * fill its queue of path events.
 *
 * With it, a client gives the server ids for its own new paths by itself (its socket needs none to find it);
 * a server's endpoint does that, since it must know them. retire_destination_cid is never called: that is the
 * other way into CVE-2025-7054.
 */
export class Paths {
  readonly #options: PathsOptions
  /** One object for what nearly all datagrams have. */
  readonly #usual: { readonly from: UdpAddress; readonly to: UdpAddress }
  readonly #events: PathEvent[] = []
  readonly #bounces = new BounceSchedule()
  /** What quiche was given last to send from. */
  #inUse: UdpAddress
  #idsGiven = 0
  /** Those of a client. */
  readonly #ids: Buffer[]

  constructor(options: PathsOptions) {
    this.#options = options
    this.#inUse = options.local
    this.#ids = options.connectionId === undefined ? [] : [options.connectionId]
    this.#usual = { from: options.remote, to: options.local }
  }

  /** Of the connection, and of the path in use. */
  stats(): QuicStats {
    const { native } = this.#options
    const { recv, recvBytes, sent, sentBytes, lost } = native.stats()
    const path = native.pathStats().find(({ active }) => active)
    return {
      receivedPackets: recv,
      receivedBytes: recvBytes,
      sentPackets: sent,
      sentBytes,
      lostPackets: lost,
      rttMs: path?.rtt ?? 0,
      congestionWindowBytes: path?.cwnd ?? 0,
    }
  }

  /**
   * Whether it bears one of our ids. A stateless reset does not (RFC 9000 10.3): a server that knows the
   * connection no more answers everything with those, which are worth nothing unless quiche knows their
   * token.
   */
  isAddressed(datagram: Buffer): boolean {
    if (this.#ids.length === 0 || isLongHeader(datagram)) return true
    return this.#ids.some(id => datagram.length > id.length && id.compare(datagram, 1, 1 + id.length) === 0)
  }

  /** What quiche is notified of a datagram; undefined: it is none of ours. */
  infoFor(
    from: UdpAddress,
    to: UdpAddress,
  ): { readonly from: UdpAddress; readonly to: UdpAddress } | undefined {
    const { local, remote, allowsSecondPath } = this.#options
    if (isSame(from, remote) && isSame(to, local)) return this.#usual
    return allowsSecondPath ? { from, to } : undefined
  }

  /** What has become of paths since the last time; nextEvent() hands it out too. */
  poll(): readonly PathEvent[] {
    if (!this.#options.allowsSecondPath) return NO_EVENTS
    const { native, local, role } = this.#options
    if (role === 'client' && native.isEstablished()) {
      while (this.idsLeft() > 0)
        this.issueId(randomBytes(CONNECTION_ID_BYTES), randomBytes(RESET_TOKEN_BYTES))
      while (native.retiredScidNext() !== null) {
        // Nobody looks connections of this socket up by their ids.
      }
    }
    let found: PathEvent[] | undefined
    for (let next = native.pathEventNext(); next !== null; next = native.pathEventNext()) {
      const event = pathEvent(next, local)
      if (event === undefined) continue
      ;(found ??= []).push(event)
      if (this.#events.length < MAX_EVENTS) this.#events.push(event)
    }
    return found ?? NO_EVENTS
  }

  /** When onTimer wants to be called. `isWaiting`: an exchange is under way. */
  nextAt(isWaiting: boolean): number {
    return this.#bounces.nextAt(isWaiting)
  }

  onTimer(now: number, isWaiting: boolean): void {
    for (const left of this.#bounces.takeDue(now, isWaiting)) this.bounce(left)
  }

  nextEvent(): PathEvent | undefined {
    return this.#events.shift()
  }

  get refusal(): string | undefined {
    const { native, role, allowsSecondPath } = this.#options
    if (role !== 'client') return 'a server does not move'
    if (!allowsSecondPath) return 'the origin is not trusted with a second path'
    if (!native.isEstablished()) return 'the handshake is not complete'
    // quiche does not hold itself to the peer's disable_active_migration.
    if (native.stats().peerDisableActiveMigration) return 'the peer forbids migration'
    return native.availableDcids() > 0 ? undefined : NO_ID_TO_SPARE
  }

  receivedOver({ host, port }: UdpAddress): number {
    const path = this.#options.native
      .pathStats()
      .find(({ localHost }) => localHost.port === port && localHost.host === host)
    return path?.recv ?? 0
  }

  validate(local: UdpAddress, remote: UdpAddress): boolean {
    const { native, role, allowsSecondPath } = this.#options
    // A server can do so where its client has sent from: quiche knows no other place.
    const isAllowed = role === 'server' ? allowsSecondPath : this.refusal === undefined
    return isAllowed && this.#try(() => native.probePath(local, remote))
  }

  migrate(local: UdpAddress, remote: UdpAddress, now: number): boolean {
    const { native, role, allowsSecondPath } = this.#options
    if (!allowsSecondPath || role !== 'client' || native.stats().peerDisableActiveMigration) return false
    const ptoMs = this.#ptoMs()
    if (!this.#try(() => native.migrate(local, remote))) return false
    // One who only downloads would send nothing on the new path, and the server would never learn of it.
    if (this.ping()) {
      this.#bounces.onMoved(this.#inUse, local, ptoMs, now)
      this.#inUse = local
      return true
    }
    // quiche takes a path whose validation has failed, and then has none that it sends from.
    this.#try(() => native.migrate(this.#inUse, remote))
    return false
  }

  /** False: quiche has no path to send from now. It says so by an exception. */
  ping(): boolean {
    return this.#try(() => this.#options.native.sendAckEliciting())
  }

  /**
   * Moves to a path that was left and back at once, so that what was in flight on it is sent again on this
   * one: quiche 0.18 declares packets on a path that was left lost only when an acknowledgement tells it
   * something new of that path, which nothing does any more. Else an upload stands still for seconds, until
   * the timers of the dead path have doubled their way through it (measured: over 4 s, and 0.2 s with this).
   */
  bounce(left: UdpAddress): boolean {
    const { native, role, remote, allowsSecondPath } = this.#options
    if (!allowsSecondPath || role !== 'client') return false
    const current = this.#inUse
    const hasLeft = this.#try(() => native.migrate(left, remote))
    // A path whose validation has failed cannot be left again, so that nothing of it is declared lost by
    // that: an answer to a challenge there does it.
    const isUsable = hasLeft && this.ping()
    const isBack = this.#try(() => native.migrate(current, remote))
    return isUsable ? isBack : isBack && this.#try(() => native.probePath(left, remote))
  }

  idsLeft(): number {
    const { native, allowsSecondPath } = this.#options
    if (!allowsSecondPath || !native.isEstablished() || this.#idsGiven >= MAX_IDS) return 0
    return native.sourceCidsLeft()
  }

  issueId(id: Buffer, resetToken: Buffer): void {
    this.#idsGiven += 1
    if (this.#ids.length > 0) this.#ids.push(id)
    this.#options.native.newSourceCid(id, resetTokenNumber(resetToken), false)
  }

  /** Of the path in use (RFC 9002 6.2.1, as after one sample: quiche shows no variation). */
  #ptoMs(): number {
    const rttMs = this.#options.native.pathStats().find(({ active }) => active)?.rtt ?? INITIAL_RTT_MS
    return 3 * rttMs + ACK_DELAY_MS
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

/** RFC 9000 17.2. */
function isLongHeader(datagram: Buffer): boolean {
  return ((datagram[0] ?? 0) & 0x80) !== 0
}

function isSame(a: UdpAddress, b: UdpAddress): boolean {
  return a === b || (a.port === b.port && a.host === b.host)
}

function pathEvent(event: NativePathEvent, local: UdpAddress): PathEvent | undefined {
  if (event.type === 'ReusedSourceConnectionId') return undefined
  if (event.type === 'PeerMigrated') {
    return { outcome: 'peer-migrated', local, remote: event.new }
  }
  return { outcome: OUTCOMES[event.type], local: event.local, remote: event.peer }
}
