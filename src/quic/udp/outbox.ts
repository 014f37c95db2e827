import { addressBytes } from '../../base/socket/socket-address.ts'
import type { UdpAddress } from '../engine.ts'
import { type PlannedMessage, planMessage, type QueuedDatagrams } from './batch-plan.ts'
import type { EcnMark } from './control-messages.ts'
import { MAX_DEPARTURES, OUTGOING_BYTES } from './message-arena.ts'
import { refusesSegments } from './socket-mode.ts'
import type { UdpCalls } from './udp-calls.ts'

/** Of what the kernel had no room for: more is lost, as on a full link. */
const MAX_KEPT_BYTES = 2 * OUTGOING_BYTES

const EINTR = 4
const EAGAIN = 11
const ENOBUFS = 105

/** Where datagrams go; what goes the same way can leave as one message. */
interface Route {
  readonly to: UdpAddress | undefined
  readonly from: UdpAddress | undefined
  readonly ecn: EcnMark
}

export interface OutboxOptions {
  readonly calls: Pick<UdpCalls, 'arena' | 'send'>
  readonly fd: number
  readonly family: 4 | 6
  /** Nothing that was sent is waited for: the system refused it. */
  readonly onRefused: (errno: number, to: UdpAddress | undefined) => void
  /** The kernel cuts up no messages here: each datagram is a message from now on. */
  readonly onUnsegmented: (errno: number) => void
}

/**
 * The datagrams that one socket is about to send. They gather behind one another in the arena, where the
 * engine writes them, and leave with flush(): runs of one size and one addressee as one message, up to 64
 * messages with one call. What the kernel has no room for is copied and kept; it leaves before anything else.
 */
export class Outbox implements QueuedDatagrams {
  readonly #options: OutboxOptions
  readonly #lengths: number[] = []
  readonly #routes: number[] = []
  readonly #routeTable: Route[] = []
  /** Behind the last datagram. */
  #end: number
  #kept: { readonly bytes: Buffer; readonly route: Route }[] = []
  #keptBytes = 0
  #isSegmenting = true
  #isFlushing = false
  #isClosed = false
  readonly #planned: PlannedMessage = { count: 0, bytes: 0, segmentBytes: 0 }
  /** Of each message that is prepared: the first datagram behind it, and where that lies. */
  readonly #nextAfter: number[] = []
  readonly #offsetAfter: number[] = []

  constructor(options: OutboxOptions) {
    this.#options = options
    this.#end = options.calls.arena.outgoingAt
  }

  get count(): number {
    return this.#lengths.length
  }

  lengthAt(index: number): number {
    return this.#lengths[index] ?? 0
  }

  routeAt(index: number): number {
    return this.#routes[index] ?? 0
  }

  /** The kernel had no room. */
  get isFull(): boolean {
    return this.#kept.length > 0
  }

  room(bytes: number): Buffer {
    this.#take(bytes)
    return this.#options.calls.arena.bytes(this.#end, bytes)
  }

  add(datagram: Buffer, to: UdpAddress | undefined, from: UdpAddress | undefined, ecn: EcnMark): void {
    if (this.#isClosed || datagram.length > OUTGOING_BYTES) return
    if (this.isFull) return this.#keep(Buffer.from(datagram), { to, from, ecn })
    const { arena } = this.#options.calls
    this.#take(datagram.length)
    // Written where room() said; else it came from somewhere else.
    if (arena.offsetOf(datagram) !== this.#end) datagram.copy(arena.bytes(this.#end, datagram.length))
    this.#end += datagram.length
    this.#lengths.push(datagram.length)
    this.#routes.push(this.#routeOf(to, from, ecn))
  }

  flush(): void {
    if (this.count === 0 || this.#isFlushing) return
    this.#isFlushing = true
    try {
      this.#send()
    } finally {
      this.#isFlushing = false
      this.#lengths.length = 0
      this.#routes.length = 0
      this.#routeTable.length = 0
      this.#end = this.#options.calls.arena.outgoingAt
    }
  }

  /** There may be room for what was kept. */
  retry(): void {
    if (this.#kept.length === 0 || this.#isFlushing) return
    const kept = this.#kept
    this.#kept = []
    this.#keptBytes = 0
    // More than fits at once leaves in pieces; with the first that is kept again, all behind it are.
    for (const { bytes, route } of kept) this.add(bytes, route.to, route.from, route.ecn)
    this.flush()
  }

  close(): void {
    this.flush()
    this.#isClosed = true
    this.#kept = []
    this.#options.calls.arena.releaseOutgoing(this)
  }

  /** Makes the memory ours, with room for so many bytes. */
  #take(bytes: number): void {
    const { arena } = this.#options.calls
    arena.takeOutgoing(this)
    if (this.#end + bytes > arena.outgoingAt + OUTGOING_BYTES) this.flush()
  }

  #routeOf(to: UdpAddress | undefined, from: UdpAddress | undefined, ecn: EcnMark): number {
    const index = this.#routeTable.length - 1
    const last = this.#routeTable[index]
    if (last !== undefined && last.ecn === ecn && isSame(last.to, to) && isSame(last.from, from)) return index
    return this.#routeTable.push({ to, from, ecn }) - 1
  }

  #send(): void {
    const { calls, fd, onRefused, onUnsegmented } = this.#options
    let next = 0
    let at = calls.arena.outgoingAt
    let isRepeated = false
    while (next < this.count) {
      const messages = this.#prepare(next, at)
      // Nothing that could be written down: the addressee is none of this family.
      const sent = messages === 0 ? -EINVAL : calls.send(fd, 0, messages)
      if (sent > 0) {
        next = this.#nextAfter[sent - 1] ?? this.count
        at = this.#offsetAfter[sent - 1] ?? this.#end
        isRepeated = false
        continue
      }
      const errno = -sent
      if (errno === EAGAIN || errno === ENOBUFS) return this.#keepFrom(next, at)
      const first = this.#firstMessage(next)
      if (first.count > 1 && refusesSegments(errno)) {
        this.#isSegmenting = false
        onUnsegmented(errno)
        continue
      }
      // An error may be that of an earlier datagram (ICMP), which the kernel reports with the next call: this
      // one has not been tried.
      if (!isRepeated && messages > 0) {
        isRepeated = true
        if (errno !== EINTR) onRefused(errno, this.#routeTable[this.routeAt(next)]?.to)
        continue
      }
      isRepeated = false
      if (messages === 0) onRefused(errno, this.#routeTable[this.routeAt(next)]?.to)
      next += first.count
      at += first.bytes
    }
  }

  #firstMessage(next: number): PlannedMessage {
    planMessage(this, next, this.#isSegmenting, this.#planned)
    return this.#planned
  }

  /** Writes down messages from datagram `next` on, which lies at `at`, and returns how many. */
  #prepare(next: number, at: number): number {
    const { calls, family } = this.#options
    const planned = this.#planned
    let messages = 0
    let index = next
    let offset = at
    while (index < this.count && messages < MAX_DEPARTURES) {
      planMessage(this, index, this.#isSegmenting, planned)
      const route = this.#routeTable[this.routeAt(index)]
      const from = route?.from === undefined ? undefined : addressBytes(route.from.host)
      const { arena } = calls
      if (!arena.writeDeparture(messages, offset, planned, family, route?.to, from, route?.ecn ?? 0)) break
      index += planned.count
      offset += planned.bytes
      this.#nextAfter[messages] = index
      this.#offsetAfter[messages] = offset
      messages += 1
    }
    return messages
  }

  #keepFrom(next: number, at: number): void {
    const { arena } = this.#options.calls
    let offset = at
    for (let index = next; index < this.count; index += 1) {
      const length = this.lengthAt(index)
      const route = this.#routeTable[this.routeAt(index)] ?? NOWHERE
      this.#keep(Buffer.from(arena.bytes(offset, length)), route)
      offset += length
    }
  }

  #keep(bytes: Buffer, route: Route): void {
    if (this.#keptBytes + bytes.length > MAX_KEPT_BYTES) return
    this.#kept.push({ bytes, route })
    this.#keptBytes += bytes.length
  }
}

const EINVAL = 22
const NOWHERE: Route = { to: undefined, from: undefined, ecn: 0 }

function isSame(a: UdpAddress | undefined, b: UdpAddress | undefined): boolean {
  return a === b || (a !== undefined && b !== undefined && a.port === b.port && a.host === b.host)
}
