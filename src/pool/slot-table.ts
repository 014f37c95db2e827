import { TransportError } from '../base/errors.ts'
import type { StreamShare } from '../base/events/connection.ts'
import type { ConnectionBudget } from './rules/connection-budget.ts'
import { SharedStreams } from './shared-streams.ts'
import { CLOSED, Slot, type SlotKind, type SlotState } from './slot.ts'
import { IdleStack, LoadHeap } from './slot-orders.ts'

/**
 * All connections of a pool, with the counters and orders that keep decisions from scanning them. Whatever is
 * not closed holds a place, here and in the budget over all pools.
 */
export class SlotTable<Link> {
  /**
   * Idle ones that can be leased. One whose peer allows no stream at all just now is idle, but not in here.
   */
  readonly #idle = new IdleStack<Link>()
  /** Leased ones with room for more. */
  readonly #roomy = new LoadHeap<Link>()
  readonly #slots: Slot<Link>[] = []
  readonly #budget: ConnectionBudget
  readonly #maxStreams: number
  readonly #counts: Record<SlotKind, number> = {
    starting: 0,
    idle: 0,
    verifying: 0,
    leased: 0,
    draining: 0,
    closing: 0,
    closed: 0,
  }
  #usedStreams = 0
  #aside = 0
  #guests = 0
  /** Those that are shared, by us or by others. */
  readonly #shared = new Set<Slot<Link>>()
  readonly #lent = new Map<Slot<Link>, SharedStreams>()
  #verifyingStreams = 0
  #expiring = 0
  /** Live ones whose capacity is provisional, and what they can carry for now. */
  #provisional = 0
  #provisionalStreams = 0
  /** Live ones that carry nothing and whose peer said so. */
  #zeroCapacity = 0
  #lastId = 0

  /** `maxStreams` is our own cap per connection. */
  constructor(maxStreams: number, budget: ConnectionBudget) {
    this.#maxStreams = maxStreams
    this.#budget = budget
  }

  /** Everything that is not closed. */
  get size(): number {
    return this.#slots.length
  }

  /** Those that were set aside. */
  get aside(): number {
    return this.#aside
  }

  /** Connections of other origins. */
  get guests(): number {
    return this.#guests
  }

  /** All others: what counts against a limit of connections. */
  get counted(): number {
    return this.#slots.length - this.#aside - this.#guests
  }

  /** Those whose streams others use as well. */
  get shared(): ReadonlySet<Slot<Link>> {
    return this.#shared
  }

  /** Of the idle ones that would make room for others: the one that was idle for longest. */
  get oldestSpare(): Slot<Link> | undefined {
    for (let slot = this.#idle.oldest; slot !== undefined; slot = slot.newer) if (isSpare(slot)) return slot
    return undefined
  }

  /** Open and not on the way out. */
  get live(): number {
    return this.#counts.idle + this.#counts.verifying + this.#counts.leased
  }

  /** Exchanges under way, those of draining connections included. */
  get usedStreams(): number {
    return this.#usedStreams
  }

  /** Exchanges under way on connections that may take more. */
  get liveStreams(): number {
    if (this.#counts.draining === 0) return this.#usedStreams
    let draining = 0
    for (const slot of this.#slots) if (slot.state.kind === 'draining') draining += slot.usedStreams
    return this.#usedStreams - draining
  }

  /** Of the live ones, those that the origin is about to end. */
  get expiring(): number {
    return this.#expiring
  }

  /** What the connections that are being verified can carry if they prove good. */
  get verifyingStreams(): number {
    return this.#verifyingStreams
  }

  /**
   * What the connections whose peer has not reported its capacity yet will carry beyond what they carry for
   * now, if each one carries `expectedStreams` in the end (undefined: unknown, one may be enough).
   */
  promisedStreams(expectedStreams: number | undefined): number {
    if (this.#provisional === 0) return 0
    if (expectedStreams === undefined) return Infinity
    return Math.max(0, this.#provisional * expectedStreams - this.#provisionalStreams)
  }

  /** Connections that stand open and take nothing: their peers allow no stream at all for now. */
  get zeroCapacity(): number {
    return this.#zeroCapacity
  }

  get leastLoaded(): Slot<Link> | undefined {
    return this.#roomy.top
  }

  get newestIdle(): Slot<Link> | undefined {
    return this.#idle.newest
  }

  get oldestIdle(): Slot<Link> | undefined {
    return this.#idle.oldest
  }

  /** Its own connections by state: those of other origins are in none. Counted anew, for stats. */
  ownCounts(): { connecting: number; idle: number; leased: number; draining: number } {
    const counts = {
      connecting: this.#counts.starting,
      idle: this.#counts.idle + this.#counts.verifying,
      leased: this.#counts.leased,
      draining: this.#counts.draining + this.#counts.closing,
    }
    for (const slot of this.#shared) if (slot.isGuest) counts[SHOWN_AS[slot.state.kind]] -= 1
    return counts
  }

  count(kind: SlotKind): number {
    return this.#counts[kind]
  }

  /** In no particular order. Slots that begin to close during the walk stay; none may be removed. */
  all(): readonly Slot<Link>[] {
    return this.#slots
  }

  /** A slot for a new dial, or undefined when the budget has no place. */
  create(round: number): Slot<Link> | undefined {
    if (!this.#budget.tryTake()) return undefined
    this.#lastId += 1
    const slot = new Slot<Link>(this.#lastId, round)
    slot.index = this.#slots.length
    this.#slots.push(slot)
    this.#counts.starting += 1
    return slot
  }

  /** The one way to change a state: counters and orders follow. */
  move(slot: Slot<Link>, next: SlotState): void {
    const before = slot.state
    const usedBefore = slot.usedStreams
    slot.transition(next)
    if (slot.isExpiring) {
      slot.isExpiring = false
      this.#expiring -= 1
    }
    const change = slot.usedStreams - usedBefore
    this.#usedStreams += change
    if (slot.share !== undefined && change !== 0) this.#useShare(slot, slot.share, change)
    if (next.kind !== before.kind) {
      if (isLive(before.kind) !== isLive(next.kind)) {
        const change = isLive(next.kind) ? 1 : -1
        if (slot.isProvisional) this.#countProvisional(slot, change)
        else if (slot.capacity === 0) this.#zeroCapacity += change
      }
      this.#counts[before.kind] -= 1
      this.#counts[next.kind] += 1
      if (before.kind === 'verifying') this.#verifyingStreams -= slot.streamLimit
      // The end of one that does not count frees no place.
      else if (before.kind === 'closing' && counts(slot)) this.#budget.addLeaving(-1)
      if (next.kind === 'verifying') this.#verifyingStreams += slot.streamLimit
      else if (next.kind === 'closing' && counts(slot)) this.#budget.addLeaving(1)
    }
    this.#place(slot)
  }

  /**
   * The peer changed how many streams it allows; it may be fewer than are in use. `isProvisional`: see
   * Connection.
   */
  setCapacity(slot: Slot<Link>, capacity: number, isProvisional: boolean, now: number): void {
    const limit = Math.min(capacity, this.#maxStreams)
    const before = slot.streamLimit
    const live = isLive(slot.state.kind)
    if (slot.state.kind === 'verifying') this.#verifyingStreams += limit - before
    if (live && slot.isProvisional) this.#countProvisional(slot, -1)
    else if (live && slot.capacity === 0) this.#zeroCapacity -= 1
    slot.capacity = capacity
    slot.streamLimit = limit
    slot.isBlocked = false
    slot.isProvisional = isProvisional
    if (live && isProvisional) this.#countProvisional(slot, 1)
    else if (live && capacity === 0) this.#zeroCapacity += 1
    // Back from no capacity at all it comes in as the newest, so that the stack stays in order. The news is a
    // proof of liveness, too.
    if (slot.state.kind === 'idle' && before === 0) this.move(slot, { kind: 'idle', since: now })
    else this.#place(slot)
  }

  /** Others may take streams of it from now on: the share of one of them. */
  lend(slot: Slot<Link>): StreamShare {
    const streams = this.#lent.get(slot) ?? this.#beginLending(slot)
    return streams.join()
  }

  /** It turned out to be a connection of another origin: its own place is free. */
  becomeGuest(slot: Slot<Link>, share: StreamShare): void {
    slot.share = share
    slot.isGuest = true
    this.#guests += 1
    this.#shared.add(slot)
    this.#budget.release()
  }

  /** No stream of it is free for us: it is leased again when one was offered. */
  block(slot: Slot<Link>): void {
    slot.isBlocked = true
    this.#setLimit(slot, slot.usedStreams)
    slot.share?.wait()
    this.#place(slot)
  }

  /** It may be leased again, as far as streams are free. */
  unblock(slot: Slot<Link>, now: number): void {
    if (slot.isBlocked) this.setCapacity(slot, slot.capacity, slot.isProvisional, now)
  }

  /** The origin is about to end the idle connection. Whatever happens to it next takes that back. */
  markExpiring(slot: Slot<Link>): void {
    if (slot.isExpiring) return
    slot.isExpiring = true
    this.#expiring += 1
  }

  /** Its place is free for another one, as long as its exchange takes. */
  setAside(slot: Slot<Link>): void {
    if (slot.state.kind !== 'leased' || slot.isAside || slot.isGuest) {
      throw new TransportError('MM_INTERNAL', `pool: ${slot.toString()} cannot be set aside`)
    }
    slot.isAside = true
    this.#aside += 1
    this.#budget.addAside(1)
  }

  /** It counts again. */
  takeBack(slot: Slot<Link>): void {
    if (!slot.isAside) return
    slot.isAside = false
    this.#aside -= 1
    this.#budget.addAside(-1)
  }

  /** The connection is gone, and its place free. */
  remove(slot: Slot<Link>): void {
    this.move(slot, CLOSED)
    this.takeBack(slot)
    this.#counts.closed -= 1
    const last = this.#slots.pop()
    if (last !== undefined && last !== slot) {
      this.#slots[slot.index] = last
      last.index = slot.index
    }
    slot.index = -1
    if (slot.isGuest) this.#guests -= 1
    else this.#budget.release()
    if (this.#shared.delete(slot)) slot.share?.leave()
    this.#lent.delete(slot)
  }

  /** Recounts everything. For tests. */
  assertConsistent(): void {
    const counts = { starting: 0, idle: 0, verifying: 0, leased: 0, draining: 0, closing: 0, closed: 0 }
    let used = 0
    let aside = 0
    let verifying = 0
    let stacked = 0
    let roomy = 0
    let provisional = 0
    let provisionalStreams = 0
    let zeroCapacity = 0
    let guests = 0
    let expiring = 0
    this.#slots.forEach((slot, index) => {
      const { state } = slot
      counts[state.kind] += 1
      used += slot.usedStreams
      if (slot.isAside) aside += 1
      if (slot.isExpiring) expiring += 1
      check(!slot.isExpiring || state.kind === 'idle', `${slot.toString()} expires`)
      check(!slot.isAside || mayBeAside(state.kind), `${slot.toString()} does not count`)
      if (state.kind === 'verifying') verifying += slot.streamLimit
      if (slot.isStacked) stacked += 1
      if (slot.isProvisional && isLive(state.kind)) {
        provisional += 1
        provisionalStreams += slot.streamLimit
      }
      if (isLive(state.kind) && !slot.isProvisional && slot.capacity === 0) zeroCapacity += 1
      if (slot.heapIndex >= 0) roomy += 1
      check(slot.index === index, `${slot.toString()} is not at its place`)
      check(
        slot.isStacked === belongsToStack(slot),
        `${slot.toString()} is wrongly in or out of the idle stack`,
      )
      check(
        slot.heapIndex >= 0 === belongsToHeap(slot),
        `${slot.toString()} is wrongly in or out of the load heap`,
      )
      check(state.kind !== 'leased' || state.usedStreams > 0, `${slot.toString()} is leased for nothing`)
      check(
        slot.isBlocked || slot.streamLimit === Math.min(slot.capacity, this.#maxStreams),
        `${slot.toString()} has a wrong limit`,
      )
      check(!slot.isBlocked || slot.share !== undefined, `${slot.toString()} waits for no streams`)
      check(this.#shared.has(slot) === (slot.share !== undefined), `${slot.toString()} is wrongly shared`)
      if (slot.isGuest) guests += 1
    })
    for (const kind of Object.keys(counts) as SlotKind[]) /* keys of the literal above */ {
      check(counts[kind] === this.#counts[kind], `${counts[kind]} ${kind}, counted ${this.#counts[kind]}`)
    }
    check(counts.closed === 0, 'a closed slot was kept')
    check(aside === this.#aside, `${aside} aside, counted ${this.#aside}`)
    check(guests === this.#guests, `${guests} guests, counted ${this.#guests}`)
    check(expiring === this.#expiring, `${expiring} expire, counted ${this.#expiring}`)
    check(used === this.#usedStreams, `${used} streams, counted ${this.#usedStreams}`)
    check(
      verifying === this.#verifyingStreams,
      `${verifying} streams verified, counted ${this.#verifyingStreams}`,
    )
    check(
      provisional === this.#provisional && provisionalStreams === this.#provisionalStreams,
      `${provisional} provisional with ${provisionalStreams} streams, counted ${this.#provisional} with ${this.#provisionalStreams}`,
    )
    check(
      zeroCapacity === this.#zeroCapacity,
      `${zeroCapacity} of zero capacity, counted ${this.#zeroCapacity}`,
    )
    check(roomy === this.#roomy.size, `${roomy} with room, ${this.#roomy.size} in the heap`)
    check(stacked === this.#idle.size, `${stacked} stacked, ${this.#idle.size} in the stack`)
    this.#assertStackOrdered(stacked)
    for (const slot of this.#slots) {
      const top = this.#roomy.top
      check(slot.heapIndex < 0 || (top !== undefined && top.usedStreams <= slot.usedStreams), 'heap order')
    }
  }

  #assertStackOrdered(expected: number): void {
    let walked = 0
    let since = -Infinity
    let previous: Slot<Link> | undefined
    for (let slot = this.#idle.oldest; slot !== undefined; slot = slot.newer) {
      walked += 1
      check(slot.state.kind === 'idle' && slot.state.since >= since, `${slot.toString()} is out of order`)
      check(slot.older === previous, `the idle stack is torn at ${slot.toString()}`)
      if (slot.state.kind === 'idle') since = slot.state.since
      previous = slot
    }
    check(previous === this.#idle.newest, 'the idle stack has another end')
    check(walked === expected, `${expected} idle, ${walked} on the walk`)
  }

  #beginLending(slot: Slot<Link>): SharedStreams {
    const streams = new SharedStreams({
      // Its guests are notified of its end after its owner: until then nothing is theirs.
      limit: () => (isLive(slot.state.kind) ? Math.min(slot.capacity, this.#maxStreams) : 0),
      isExhausted: () => slot.hasReachedLeaseLimit,
    })
    slot.share = streams.joinAsOwner(slot.usedStreams)
    this.#lent.set(slot, streams)
    this.#shared.add(slot)
    return streams
  }

  #useShare(slot: Slot<Link>, share: StreamShare, change: number): void {
    if (change < 0) share.giveBack(-change)
    else for (let taken = 0; taken < change; taken += 1) share.take()
    // Who has taken one waits for it no more.
    if (slot.isBlocked && !share.isWaiting) {
      slot.isBlocked = false
      this.#setLimit(slot, Math.min(slot.capacity, this.#maxStreams))
    }
  }

  /** Of one that is idle or leased. */
  #setLimit(slot: Slot<Link>, limit: number): void {
    if (slot.isProvisional) this.#provisionalStreams += limit - slot.streamLimit
    slot.streamLimit = limit
  }

  #countProvisional(slot: Slot<Link>, change: 1 | -1): void {
    this.#provisional += change
    this.#provisionalStreams += change * slot.streamLimit
  }

  /** Puts the slot where its state says: in the stack, in the heap, or in neither. */
  #place(slot: Slot<Link>): void {
    const stacked = belongsToStack(slot)
    if (stacked !== slot.isStacked) {
      if (stacked) this.#idle.push(slot)
      else this.#idle.remove(slot)
    }
    const heaped = belongsToHeap(slot)
    if (slot.heapIndex < 0) {
      if (heaped) this.#roomy.push(slot)
    } else if (heaped) this.#roomy.update(slot)
    else this.#roomy.remove(slot)
  }
}

function isLive(kind: SlotKind): boolean {
  return kind === 'idle' || kind === 'verifying' || kind === 'leased'
}

function mayBeAside(kind: SlotKind): boolean {
  return kind === 'leased' || kind === 'draining' || kind === 'closing'
}

const SHOWN_AS = {
  starting: 'connecting',
  idle: 'idle',
  verifying: 'idle',
  leased: 'leased',
  draining: 'draining',
  closing: 'draining',
  closed: 'draining',
} as const

/** It counts against limits of connections. */
function counts({ isAside, isGuest }: Slot<unknown>): boolean {
  return !isAside && !isGuest
}

/** Idle, and nobody misses it. The end of another origin's connection for us would make no room. */
export function isSpare(slot: Slot<unknown>): boolean {
  return slot.state.kind === 'idle' && !slot.isGuest && slot.share?.isUsedByOthers !== true
}

function belongsToStack(slot: Slot<unknown>): boolean {
  return slot.state.kind === 'idle' && slot.streamLimit > 0
}

function belongsToHeap(slot: Slot<unknown>): boolean {
  const { state } = slot
  return state.kind === 'leased' && state.usedStreams < slot.streamLimit
}

function check(condition: boolean, message: string): void {
  if (!condition) throw new TransportError('MM_INTERNAL', `pool: ${message}`)
}
