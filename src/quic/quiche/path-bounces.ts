import type { PathEvent } from '../driven-connection.ts'
import type { UdpAddress } from '../engine.ts'
import { isSameAddress } from '../migration/migration-phase.ts'

/** In probe timeouts since the move. */
const AFTER_PTOS = [1, 2, 4, 8]
/** However long the round trip: requests do not wait for ever. */
const MAX_INTERVAL_MS = 4000
/** Paths that are remembered: no connection has more. */
const MAX_LEFT = 8

const NOTHING: readonly UdpAddress[] = []

/** Since the last move. What has not been acknowledged on the new path by then is not going to be. */
const MAX_BOUNCES = 16

/**
 * When the paths that a connection has left are bounced again (see Paths.bounce). What was in
 * flight on one counts as lost only when something that was sent later has been acknowledged, which the
 * bounce of the move may come too early for; and a path that is left for another reason may be dead as well.
 * Where everything was acknowledged a bounce changes nothing.
 *
 * 1. One, two, four and eight probe timeouts after a move each path that was left is bounced: those of
 *    earlier moves too, since nothing may have been acknowledged between two moves.
 * 2. After that, while somebody waits, they are bounced on in doubling intervals of 4 s at the most, sixteen
 *    times in all: a network that comes back later acknowledges later.
 */
export class BounceSchedule {
  #left: readonly UdpAddress[] = []
  #movedAt = 0
  #ptoMs = 0
  /** Since the last move. */
  #bounces = 0
  #nextAt = Number.POSITIVE_INFINITY

  /**
   * The connection sends from `to` now, and not from `from` any more. `ptoMs`: the probe timeout of `from`.
   */
  onMoved(from: UdpAddress, to: UdpAddress, ptoMs: number, now: number): void {
    const others = this.#left.filter(local => !isSameAddress(local, from) && !isSameAddress(local, to))
    this.#left = [...others, from].slice(-MAX_LEFT)
    this.#movedAt = now
    this.#ptoMs = ptoMs
    this.#bounces = 0
    this.#nextAt = now + ptoMs
  }

  /** The paths to bounce now, the oldest first. `isWaiting`: an exchange is under way. */
  takeDue(now: number, isWaiting: boolean): readonly UdpAddress[] {
    if (this.nextAt(isWaiting) > now) return NOTHING
    this.#bounces += 1
    const afterPtos = AFTER_PTOS[this.#bounces]
    // The first ones count from the move, so that a turn that comes late puts nothing off.
    if (afterPtos !== undefined) this.#nextAt = this.#movedAt + afterPtos * this.#ptoMs
    else
      this.#nextAt = now + Math.min(this.#ptoMs * 2 ** this.#bounces, Math.max(MAX_INTERVAL_MS, this.#ptoMs))
    return this.#left
  }

  /** When takeDue wants to be called; Infinity: not before something changes. */
  nextAt(isWaiting: boolean): number {
    const goesOn = this.#bounces < AFTER_PTOS.length || (isWaiting && this.#bounces < MAX_BOUNCES)
    return goesOn ? this.#nextAt : Number.POSITIVE_INFINITY
  }
}

/**
 * When an address that the client has left is visited, from the move on. The first visit is enough where
 * something that was sent to the new address has been acknowledged by then; the others are for moves under
 * loss.
 */
const VISIT_LEFT_AFTER_MS = [0, 100, 500, 2500]
/**
 * The same for an address that somebody has sent from while the client stayed where it is: a probe, or copies
 * of its datagrams that overtook them (9.3.3). Soon, while what the client acknowledges makes it send, and
 * before quiche gives that path up.
 */
const VISIT_PASSER_AFTER_MS = [20, 100, 300, 700]
/**
 * A datagram waits so long for the one behind it: the way there and back, and what a client may delay an
 * acknowledgement by (25 ms, RFC 9000 18.2).
 */
const HOLD_MS = 100
/** A client that sends one datagram at a time is not held up for ever. */
const MAX_TRIES = 4
/**
 * A datagram adds three times its length to what quiche may send to an address that is not validated: only a
 * small one is told to have come from there.
 */
const MAX_UNPROVEN_BYTES = 100
/** quiche has 8 paths; who makes it close some and open others gets no more of us. */
const MAX_PLACES = 16
const MAX_VISITS = 64

/** A datagram, and where the engine is to believe that it came from. */
export interface ReceivedFrom {
  readonly datagram: Buffer
  readonly from: UdpAddress
}

interface Visit {
  readonly to: UdpAddress
  readonly dueAt: number
  readonly tries: number
}

interface Place {
  readonly address: UdpAddress
  readonly isValidated: boolean
}

/**
 * - `settled`: the client has not moved, or all that it left is seen to. Valid transitions: waiting.
 * - `waiting`: visits are to be made, in order of their time. Valid transitions: holding, waiting.
 * - `holding`: a datagram is kept back until another one comes, so that a visit begins and ends with nothing
 *   sent in between. Valid transitions: holding, waiting, settled.
 */
type State =
  | { readonly name: 'settled' }
  | { readonly name: 'waiting'; readonly visits: readonly Visit[] }
  | {
      readonly name: 'holding'
      readonly visit: Visit
      readonly visits: readonly Visit[]
      readonly held: ReceivedFrom
      readonly until: number
    }

/**
 * What a server does for a client that has left an address with data on its way there.
 *
 * quiche 0.18 declares packets that were sent to an address that was left lost in two cases only: an
 * acknowledgement tells something new of that very path (which nothing does when all of them were lost), or
 * that path is left (once more). A server cannot choose its path, but it follows its client: the newest
 * packet that is more than a probe says where the client is (RFC 9000 9.3). So of two datagrams in a row from
 * where the client is now, quiche receives the first one as if it came from the address that was left. It
 * goes there and back, and on leaving declares lost what it had sent there. Between the two nothing is sent,
 * so that nothing goes there.
 *
 * Who decides where the client is, with path validation (8.2), the limit of what is sent before that (8.1),
 * and a congestion window that begins anew (9.4), is quiche alone: visits are planned when it has validated
 * where the client is now, and each datagram that is told to have come from elsewhere came from there.
 */
export class PathBounces {
  /** Where the client is, as far as that is validated. */
  #current: UdpAddress
  /** Addresses that the engine knows as the client's and can bear to go to. */
  readonly #places = new Map<string, Place>()
  #state: State = { name: 'settled' }

  constructor(remote: UdpAddress) {
    this.#current = remote
    this.#note(remote, true)
  }

  get name(): State['name'] {
    return this.#state.name
  }

  /** When onTimer() wants to be called. */
  get nextAt(): number {
    return this.#state.name === 'holding' ? this.#state.until : Number.POSITIVE_INFINITY
  }

  /** The engine has validated this address, and has not gone to another validated one since. */
  isCurrent(address: UdpAddress): boolean {
    return isSame(address, this.#current)
  }

  /** All that the engine said of paths since the last time: a visit shows as a move there and one back. */
  onPathEvents(events: readonly PathEvent[], now: number): void {
    let last = this.#current
    const passers: UdpAddress[] = []
    for (const { outcome, remote } of events) {
      // A path that has failed must not be gone to: with one more datagram quiche would end the connection.
      if (outcome === 'failed' || outcome === 'closed') this.#places.delete(keyOf(remote))
      else this.#note(remote, outcome !== 'new')
      if (outcome === 'peer-migrated') last = remote
      else if (outcome === 'new') passers.push(remote)
    }
    if (!this.isCurrent(last)) {
      this.#current = last
      const left = Array.from(this.#places.values(), ({ address }) => address)
      this.#plan(visitsTo(left, VISIT_LEFT_AFTER_MS, now))
    } else if (passers.length > 0) {
      const planned = this.#state.name === 'settled' ? [] : this.#state.visits
      this.#plan([...planned, ...visitsTo(passers, VISIT_PASSER_AFTER_MS, now)])
    }
  }

  /**
   * What the engine is to receive now, in this order. Nothing: the datagram is kept back, and the client
   * should be asked for another one.
   */
  onDatagram(datagram: Buffer, from: UdpAddress, now: number): readonly ReceivedFrom[] {
    const state = this.#state
    const received = { datagram, from }
    if (state.name === 'holding') {
      // RFC 9000 9.3.3: what comes from elsewhere may be a copy.
      if (!isSame(from, state.held.from)) return [...this.#release(now), received]
      this.#wait(state.visits)
      // The place may have failed since.
      const { held, visit } = state
      return [this.#canStand(held.datagram, visit) ? { ...held, from: visit.to } : held, received]
    }
    if (state.name === 'settled' || !this.isCurrent(from)) return [received]
    const visit = state.visits.find(it => it.dueAt <= now && this.#canStand(datagram, it))
    if (visit === undefined) return [received]
    const visits = state.visits.filter(it => it !== visit)
    this.#state = { name: 'holding', visit, visits, held: received, until: now + HOLD_MS }
    return []
  }

  /** What was kept back for too long. */
  onTimer(now: number): readonly ReceivedFrom[] {
    return now < this.nextAt ? [] : this.#release(now)
  }

  /** Whether the datagram can be told to have come from there. */
  #canStand(datagram: Buffer, { to }: Visit): boolean {
    const place = this.#places.get(keyOf(to))
    if (place === undefined || this.isCurrent(to)) return false
    return place.isValidated || datagram.length <= MAX_UNPROVEN_BYTES
  }

  /** What is kept back goes as what it is: the visit does not come about this time. */
  #release(now: number): readonly ReceivedFrom[] {
    if (this.#state.name !== 'holding') return []
    const { visit, visits, held } = this.#state
    const tries = visit.tries + 1
    this.#wait(tries < MAX_TRIES ? [...visits, { ...visit, tries, dueAt: now + HOLD_MS }] : visits)
    return [held]
  }

  /** A datagram that is held for a visit goes on waiting. */
  #plan(visits: readonly Visit[]): void {
    if (this.#state.name === 'holding') this.#state = { ...this.#state, visits: visits.slice(0, MAX_VISITS) }
    else this.#wait(visits.slice(0, MAX_VISITS))
  }

  /** Those to places that are gone, and to where the client is, are dropped. */
  #wait(visits: readonly Visit[]): void {
    const left = visits.filter(({ to }) => this.#places.has(keyOf(to)) && !this.isCurrent(to))
    this.#state = left.length === 0 ? { name: 'settled' } : { name: 'waiting', visits: left }
  }

  #note(address: UdpAddress, isValidated: boolean): void {
    const place = this.#places.get(keyOf(address))
    if (place === undefined && this.#places.size >= MAX_PLACES) return
    this.#places.set(keyOf(address), { address, isValidated: isValidated || place?.isValidated === true })
  }
}

function visitsTo(places: readonly UdpAddress[], afterMs: readonly number[], now: number): Visit[] {
  return afterMs.flatMap(ms => places.map(to => ({ to, dueAt: now + ms, tries: 0 })))
}

function keyOf({ host, port }: UdpAddress): string {
  return `${port} ${host}`
}

function isSame(a: UdpAddress, b: UdpAddress): boolean {
  return a.port === b.port && a.host === b.host
}
