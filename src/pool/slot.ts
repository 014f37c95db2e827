import { TransportError } from '../base/errors.ts'
import type { CloseReason, KeepAliveHint, StreamShare } from '../base/events/connection.ts'

/**
 * One connection's life as the pool sees it.
 *
 *     starting ──► idle ◄──► leased ──► draining ──► closing ──► closed ▲ ▼ ▲ verifying ───────────────┘
 *     (closing and closed can be reached from every state before them)
 */
export type SlotState =
  | Starting
  | Idle
  | Verifying
  | Leased
  | Draining
  | Closing
  | { readonly kind: 'closed' } // Gone. Valid transitions: none.

/** Being dialed. Valid transitions: idle, closing, closed. */
interface Starting {
  readonly kind: 'starting'
  /** See Backoff.round. */
  readonly round: number
}

/**
 * Open and carrying nothing. Valid transitions: idle (it showed life), leased, verifying, draining, closing,
 * closed.
 */
interface Idle {
  readonly kind: 'idle'
  /** When it last showed that it works: it opened, ended an exchange or answered a ping. */
  readonly since: number
}

/**
 * Open, carrying nothing, and sent a liveness probe: not to be leased before it answers. Valid
 * transitions: idle, draining, closing, closed.
 */
interface Verifying {
  readonly kind: 'verifying'
  /** No answer by then is a failure. */
  readonly deadline: number
}

/**
 * Carries at least one exchange and may take more. Valid transitions: leased, idle, draining, closing,
 * closed.
 */
interface Leased {
  readonly kind: 'leased'
  readonly usedStreams: number
}

/** Takes no more exchanges; those that it carries go on. Valid transitions: draining, closing, closed. */
interface Draining {
  readonly kind: 'draining'
  readonly usedStreams: number
  readonly reason: CloseReason
  /**
   * Who decided. The pool closes only what it drains itself: a connection that drains by itself ends by
   * itself (it may be a tunnel).
   */
  readonly by: 'pool' | 'connection'
}

/** It is being ended, or its dial stopped; it still holds its place. Valid transitions: closed. */
interface Closing {
  readonly kind: 'closing'
  readonly reason: CloseReason
}

export type SlotKind = SlotState['kind']

/** A switch, not a table: it runs with every lease and every end of one. */
function canFollow(from: SlotKind, to: SlotKind): boolean {
  switch (from) {
    case 'leased':
      return to !== 'starting' && to !== 'verifying'
    case 'idle':
      return to !== 'starting'
    case 'starting':
      return to === 'idle' || to === 'closing' || to === 'closed'
    case 'verifying':
      return to === 'idle' || to === 'draining' || to === 'closing' || to === 'closed'
    case 'draining':
      return to === 'draining' || to === 'closing' || to === 'closed'
    case 'closing':
      return to === 'closed'
    default:
      return false
  }
}

export const CLOSED: SlotState = { kind: 'closed' }

/** The pool's view of one connection. `Link` is the driver's own object for it; policy never looks inside. */
export class Slot<Link> {
  readonly id: number
  link: Link | undefined

  /** What the peer allows. */
  capacity = 0
  /** What may really be open at once: the peer's capacity under our own cap. Written by SlotTable. */
  streamLimit = 0
  /** The peer has not reported its capacity yet; see Connection. Written by SlotTable. */
  isProvisional = false
  /** It does not count against the limits of connections: see stalled.ts. Written by SlotTable. */
  isAside = false

  /** Its part in the streams of a connection that others use, too. Written by SlotTable. */
  share: StreamShare | undefined
  /** Another origin's connection: it counts against no limit. Written by SlotTable. */
  isGuest = false
  /** No stream of it was free for us, and it waits for one. Written by SlotTable. */
  isBlocked = false
  /** Idle, and to be replaced, since the origin is about to end it. Written by SlotTable. */
  isExpiring = false

  // Places in the structures of SlotTable, which alone writes them.
  index = -1
  heapIndex = -1
  isStacked = false
  older: Slot<Link> | undefined
  newer: Slot<Link> | undefined

  #state: SlotState
  #openedAt = 0
  #retireAt = Infinity
  #usedAt = 0
  #idledMs = 0
  #isRefreshed = false
  #trialUntil = -Infinity
  #keepAliveUntil = Infinity
  #leases = 0
  #leaseLimit = Infinity
  #errors = 0

  constructor(id: number, round: number) {
    this.id = id
    this.link = undefined
    this.share = undefined
    this.older = undefined
    this.newer = undefined
    this.#state = { kind: 'starting', round }
  }

  get state(): SlotState {
    return this.#state
  }

  get openedAt(): number {
    return this.#openedAt
  }

  /** From then on it takes no new exchanges (maximum age, jitter included). */
  get retireAt(): number {
    return this.#retireAt
  }

  /** When its last exchange ended; before the first one, when it opened. */
  get usedAt(): number {
    return this.#usedAt
  }

  /** For how long it had been idle when it was leased. 0: since then an exchange has ended well. */
  get idledMs(): number {
    return this.#idledMs
  }

  /** It was sent a ping since `usedAt`, after which some origins count anew. */
  get isRefreshed(): boolean {
    return this.#isRefreshed
  }

  /** Until then it stands idle to find out how long the origin keeps it, and is not used. */
  get trialUntil(): number {
    return this.#trialUntil
  }

  /** From then on the origin may close it for idleness, going by its Keep-Alive hint. */
  get keepAliveUntil(): number {
    return this.#keepAliveUntil
  }

  /** Exchanges that it was leased for. */
  get leases(): number {
    return this.#leases
  }

  /** Exchanges that the connection was leased for, by whatever pool. */
  get carried(): number {
    return this.share === undefined ? this.#leases : this.#leases + this.share.guestLeases
  }

  /** It has had its last lease. */
  get hasReachedLeaseLimit(): boolean {
    return this.carried >= this.#leaseLimit
  }

  /** Failed exchanges in a row. */
  get errors(): number {
    return this.#errors
  }

  /** The dial succeeded. `leaseLimit`: the lease with this number is its last. */
  onOpened(now: number, retireAt: number, leaseLimit: number): void {
    this.#openedAt = now
    this.#usedAt = now
    this.#retireAt = retireAt
    this.#leaseLimit = leaseLimit
  }

  /** One more lease. Answers whether it was leased before. */
  onLeased(): boolean {
    this.#leases += 1
    return this.#leases > 1
  }

  /** The last lease came to nothing. Answers whether it was leased before that. */
  onLeaseUndone(): boolean {
    this.#leases -= 1
    return this.#leases > 0
  }

  /** It is about to be leased, and was idle. */
  onIdleEnds(now: number): void {
    this.#idledMs = now - this.#usedAt
  }

  onExchangeEnded(failed: boolean, now: number): void {
    if (failed) {
      this.#errors += 1
      return
    }
    this.#errors = 0
    this.#usedAt = now
    this.#idledMs = 0
    this.#isRefreshed = false
  }

  /** It is sent a ping, which on an HTTP/1.1 connection the peer does not see. */
  onPing(): void {
    this.#isRefreshed = this.capacity > 1
  }

  /** It stands until then though it is not to be used any more. */
  onTrial(until: number): void {
    this.#trialUntil = until
  }

  /** No lease after the one with this number; a limit below stays. */
  limitLeases(leases: number): void {
    if (leases < this.#leaseLimit) this.#leaseLimit = leases
  }

  /**
   * Takes over what the origin said with `Keep-Alive`; undefined: nothing. Its clock started when it sent the
   * answer, ours when we read it: the margin makes up for that, and is half of the timeout at the most, so
   * that short timeouts leave something to use. `maxRequests`: our own limit.
   */
  applyHint(hint: KeepAliveHint | undefined, marginMs: number, maxRequests: number, now: number): void {
    const timeoutMs = hint?.timeoutMs
    if (timeoutMs === undefined) this.#keepAliveUntil = Infinity
    else this.#keepAliveUntil = now + timeoutMs - Math.min(marginMs, timeoutMs / 2)
    if (hint?.maxRequests !== undefined) {
      this.#leaseLimit = Math.min(maxRequests, this.#leases + hint.maxRequests)
    }
  }

  /**
   * Whether the connection itself still takes what it is given. (The pool may have decided that it gets no
   * more.)
   */
  get isUsable(): boolean {
    const state = this.#state
    switch (state.kind) {
      case 'idle':
      case 'verifying':
      case 'leased':
        return true
      case 'draining':
        return state.by === 'pool'
      default:
        return false
    }
  }

  get usedStreams(): number {
    const state = this.#state
    return state.kind === 'leased' || state.kind === 'draining' ? state.usedStreams : 0
  }

  /** The one writer of the state. Called by SlotTable.move, which keeps the counters in step. */
  transition(next: SlotState): void {
    if (!canFollow(this.#state.kind, next.kind)) {
      throw new TransportError(
        'MM_INTERNAL',
        `pool: illegal transition of ${this.toString()} to ${next.kind}`,
      )
    }
    this.#state = next
  }

  /**
   * `#3 leased 2/100, 12 requests`; `2/100` are the streams in use and the limit. While it starts: `#3
   * starting`.
   */
  toString(): string {
    return `#${this.id} ${this.#state.kind === 'starting' ? 'starting' : this.stateText}`
  }

  /** The same without its number in the pool, for an open one. */
  get stateText(): string {
    return `${this.#state.kind} ${this.usedStreams}/${this.streamLimit}, ${this.#leases} requests`
  }
}
