import type { SessionLimits, StreamDirection } from '../base/http/web-transport-carrier.ts'

const NO_LIMITS: SessionLimits = {
  maxData: Number.POSITIVE_INFINITY,
  maxBidirectional: Number.POSITIVE_INFINITY,
  maxUnidirectional: Number.POSITIVE_INFINITY,
}

/** What a stream that was reset may have carried and nobody has counted: see onUncounted. */
const UNCOUNTED_BYTES = 1_048_576

/**
 * Flow control of one session in both directions (draft-ietf-webtrans-http3 5), where it was negotiated: how
 * much and how many streams there may ever be. Without it QUIC alone bounds them.
 *
 * The engine does not say how much a stream had carried that was reset. So a reset gives back a window in its
 * place: the peer may send more than it should, which the windows of QUIC bound, and never stands still for
 * good.
 */
export class SessionFlow {
  // What the peer allows
  #peer: SessionLimits
  #sentBytes = 0
  readonly #opened: Record<StreamDirection, number> = { bidirectional: 0, unidirectional: 0 }

  // What we allow
  readonly #initial: SessionLimits | undefined
  #announced: SessionLimits
  #receivedBytes = 0
  #uncountedBytes = 0
  readonly #ended: Record<StreamDirection, number> = { bidirectional: 0, unidirectional: 0 }
  readonly #begun: Record<StreamDirection, number> = { bidirectional: 0, unidirectional: 0 }

  constructor(own: SessionLimits | undefined, peer: SessionLimits | undefined) {
    this.#initial = own
    this.#announced = own ?? NO_LIMITS
    this.#peer = peer ?? NO_LIMITS
  }

  /** So many bytes may be sent now. */
  get sendRoom(): number {
    return this.#peer.maxData - this.#sentBytes
  }

  mayOpen(direction: StreamDirection): boolean {
    return this.#opened[direction] < limitOf(this.#peer, direction)
  }

  onSent(bytes: number): void {
    this.#sentBytes += bytes
  }

  onOpened(direction: StreamDirection): void {
    this.#opened[direction] += 1
  }

  /** Limits only go up (5.6): who names a lower one is late. */
  onMaxData(value: number): void {
    this.#peer = { ...this.#peer, maxData: Math.max(this.#peer.maxData, value) }
  }

  onMaxStreams(direction: StreamDirection, value: number): void {
    const limit = Math.max(limitOf(this.#peer, direction), value)
    this.#peer =
      direction === 'bidirectional'
        ? { ...this.#peer, maxBidirectional: limit }
        : { ...this.#peer, maxUnidirectional: limit }
  }

  /** False: the peer has sent more than it may. */
  onReceived(bytes: number): boolean {
    this.#receivedBytes += bytes
    return this.#receivedBytes <= this.#announced.maxData
  }

  /** A stream of the peer's was reset, or stopped by us. */
  onUncounted(): void {
    this.#uncountedBytes += UNCOUNTED_BYTES
  }

  /** The peer has opened a stream. False: it has opened more than it may. */
  onPeerOpened(direction: StreamDirection): boolean {
    this.#begun[direction] += 1
    return this.#begun[direction] <= limitOf(this.#announced, direction)
  }

  /** One of those is over. */
  onPeerEnded(direction: StreamDirection): void {
    this.#ended[direction] += 1
  }

  /**
   * Limits that are to be announced now, with those of before: half of a window was used. Undefined: none.
   */
  nextLimits(): readonly [before: SessionLimits, now: SessionLimits] | undefined {
    const initial = this.#initial
    if (initial === undefined) return undefined
    const before = this.#announced
    const now: SessionLimits = {
      maxData: moved(before.maxData, initial.maxData, this.#receivedBytes + this.#uncountedBytes),
      maxBidirectional: moved(before.maxBidirectional, initial.maxBidirectional, this.#ended.bidirectional),
      maxUnidirectional: moved(
        before.maxUnidirectional,
        initial.maxUnidirectional,
        this.#ended.unidirectional,
      ),
    }
    const hasMoved =
      now.maxData > before.maxData ||
      now.maxBidirectional > before.maxBidirectional ||
      now.maxUnidirectional > before.maxUnidirectional
    if (!hasMoved) return undefined
    this.#announced = now
    return [before, now]
  }
}

function limitOf(limits: SessionLimits, direction: StreamDirection): number {
  return direction === 'bidirectional' ? limits.maxBidirectional : limits.maxUnidirectional
}

/** The limit that leaves a whole window, once half of one was used. */
function moved(announced: number, window: number, used: number): number {
  const next = used + window
  return next - announced >= window / 2 ? next : announced
}
