import type { Duplex } from 'node:stream'
import type { Clock, Timer } from '../../base/clock.ts'
import { containFault } from '../../base/guard.ts'
import { descriptorOf } from '../../base/socket/stream-socket.ts'
import { type LoadedSocketCalls, socketCalls } from './socket-calls.ts'
import type { TcpInfo } from './tcp-info.ts'

/** What is looked at. */
export type SendState = Pick<TcpInfo, 'unackedSegments' | 'unansweredProbes' | 'sinceHeardMs'>

/** The kernel counts jiffies, of up to 10 ms. */
const JIFFY_MS = 10

/**
 * Since when the peer of one TCP connection owes an acknowledgement and says nothing, by looks at
 * TCP_INFO now and then.
 *
 * Theory of operation. Something is outstanding while segments are unacknowledged, or a probe is: a peer with
 * a closed window answers each probe, so that none is out between them, however long it takes nothing. Only
 * looks count: the last proof of liveness of a connection that was idle is old when its next request has just
 * left. So the silence begins with the first look that finds something outstanding, and anew with each one
 * that finds that something was received since: that is, later than it had been then, by more than the
 * kernel's clock is coarse. It is never overstated where proofs of liveness are further apart than that, as
 * probes are (200 ms at least), and understated by one pause between looks at the most.
 */
export class SendSilence {
  /**
   * Undefined: nothing was outstanding at the last look. `heardAt`: when the peer had been heard last, seen
   * from there.
   */
  #begun: { readonly at: number; readonly heardAt: number } | undefined

  /** How long it has lasted, in ms; 0: it has not begun, or just so. */
  look({ unackedSegments, unansweredProbes, sinceHeardMs }: SendState, now: number): number {
    if (unackedSegments === 0 && unansweredProbes === 0) {
      this.#begun = undefined
      return 0
    }
    const heardAt = now - sinceHeardMs
    if (this.#begun === undefined || heardAt > this.#begun.heardAt + JIFFY_MS) {
      this.#begun = { at: now, heardAt }
    }
    return now - this.#begun.at
  }
}

export interface DeadPeerDetectorParts {
  readonly clock: Clock
  /** How long a peer may be silent that owes an acknowledgement. 0: for ever, and nobody looks. */
  readonly boundMs: number
  /** Default: those of this machine. */
  readonly load?: () => LoadedSocketCalls
}

interface Watched {
  /** What its user reads and writes. */
  readonly socket: Duplex
  /** What the kernel knows of. */
  readonly tcp: Duplex
  readonly silence: SendSilence
}

/** Looks at each socket within the bound. */
const LOOKS = 8
/** Looks in one turn of the event loop: half a millisecond at the most, at 1 to 8 us each. */
const MAX_PER_TURN = 64

/**
 * Ends TCP connections whose peer acknowledges nothing of what was sent, tunnels included: at `boundMs` of
 * silence, or up to a quarter earlier. One whose peer answers lives, whether it takes anything or not;
 * TCP_USER_TIMEOUT would end that as well. There is one timer for all sockets, and none when there is no
 * socket. Without native calls nobody looks.
 */
export class DeadPeerDetector {
  readonly #clock: Clock
  readonly #boundMs: number
  readonly #load: () => LoadedSocketCalls
  /** In the order in which they are looked at: who was looked at goes to the end, where newcomers come in. */
  readonly #watched = new Set<Watched>()
  #timer: Timer | undefined

  constructor({ clock, boundMs, load = socketCalls }: DeadPeerDetectorParts) {
    this.#clock = clock
    this.#boundMs = boundMs
    this.#load = load
  }

  /** `tcp`: the socket below it, or itself. It is watched until it closes. */
  add(socket: Duplex, tcp: Duplex): void {
    if (this.#boundMs === 0 || socket.destroyed) return
    const watched = { socket, tcp, silence: new SendSilence() }
    this.#watched.add(watched)
    socket.once('close', () => this.#watched.delete(watched))
    if (this.#timer === undefined) this.#arm()
  }

  /** Sockets that are watched. */
  get size(): number {
    return this.#watched.size
  }

  #arm(): void {
    this.#timer = this.#clock.setTimer(this.#pauseMs / this.#turns, () => this.#onTimer())
  }

  #disarm(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  /** In which all of them are looked at, within one pause. */
  get #turns(): number {
    return Math.max(1, Math.ceil(this.#watched.size / MAX_PER_TURN))
  }

  get #pauseMs(): number {
    return this.#boundMs / LOOKS
  }

  #onTimer(): void {
    this.#timer = undefined
    if (this.#watched.size === 0) return
    // Before anything that may throw: a look that fails must not be the last one.
    this.#arm()
    const loaded = this.#load()
    if ('unavailable' in loaded) {
      this.#watched.clear()
      this.#disarm()
      return
    }
    const now = this.#clock.now()
    // Those at the front, not rounds over all: short connections may come faster than they are looked at, and
    // such a round would never end.
    let looksLeft = Math.ceil(this.#watched.size / this.#turns)
    for (const watched of this.#watched) {
      if (looksLeft === 0) return
      looksLeft -= 1
      this.#watched.delete(watched)
      this.#watched.add(watched)
      if (!watched.socket.destroyed) this.#lookContained(watched, loaded, now)
    }
  }

  /**
   * A look that throws says nothing of the peer: its socket goes on as it would without native calls, and the
   * others are looked at.
   */
  #lookContained(watched: Watched, loaded: Extract<LoadedSocketCalls, { calls: object }>, now: number): void {
    try {
      this.#look(watched, loaded, now)
    } catch (error) {
      containFault('looking for an unresponsive peer', error, () => this.#watched.delete(watched))
    }
  }

  #look(
    { socket, tcp, silence }: Watched,
    { calls }: Extract<LoadedSocketCalls, { calls: object }>,
    now: number,
  ): void {
    // Each time anew: the number of a closed socket is soon another one's.
    const fd = descriptorOf(tcp)
    const info = fd === undefined ? undefined : calls.tcpInfo(fd)
    if (info === undefined) return
    const silentMs = silence.look(info, now)
    // The silence began up to one pause before it was seen, and timers are late: a whole bound would be found
    // a pause too late.
    if (silentMs >= this.#boundMs - 1.5 * this.#pauseMs) socket.destroy(new SilentPeerError(silentMs))
  }
}

/** In the words of the kernel's own verdict, which it stands for. */
class SilentPeerError extends Error {
  readonly code = 'ETIMEDOUT'

  constructor(silentMs: number) {
    super(
      `ETIMEDOUT: the peer has acknowledged nothing of what was sent for more than ${Math.round(silentMs)} ms`,
    )
  }
}
