import { containFault, guardedListener } from '../../base/guard.ts'
import type { CarriedSession } from '../../entry/dispatch.ts'
import type { Clock, Timer } from '../../entry/events.ts'
import {
  asTransportError,
  TransportError,
  type WebTransportCloseInfo,
  WebTransportError,
  type WebTransportReceiveStream,
  type WebTransportSendStream,
} from '../../index.ts'
import { carryStream } from './carry-stream.ts'
import {
  newTraffic,
  type SessionCounts,
  type SessionResult,
  type SessionSide,
  type SessionTraffic,
} from './session-counts.ts'

/** A session that has ended. */
export interface EndedSession {
  readonly result: SessionResult
  /** Undefined: it was lost. */
  readonly closeCode: number | undefined
  /** What both sides agreed on; '': nothing. */
  readonly protocol: string
  readonly traffic: SessionTraffic
}

export interface BridgeParts {
  readonly client: CarriedSession
  readonly origin: CarriedSession
  readonly clock: Clock
  /** Nothing goes through for so long: it is closed. 0: never. */
  readonly idleMs: number
  /** Of its origin. */
  readonly counts: SessionCounts
  /** Is notified of bytes as they come. */
  readonly onCarried: (fromClient: number, fromOrigin: number) => void
  /** Once. */
  readonly onEnded: (ended: EndedSession, error: TransportError | undefined) => void
}

/** Of a session that we close. Codes are the application's, and it has none for this. */
const OWN_CLOSE_CODE = 0

/**
 * Two sessions that carry each other: the one that a client has with us, and the one that we have with an
 * origin. Streams, datagrams, ends and their codes go through; capsules do not, since each session has its
 * own flow control.
 *
 * Each side may open as many streams as the other one allows: one that cannot be opened there yet is not read
 * here, and neither are those behind it. They keep the credit that the peer has for streams, so that no more
 * wait than it may have open at once.
 *
 * open   both sessions are. Valid transitions: ended
 * ended  by either side, or by us. Final
 */
export class SessionBridge {
  readonly traffic = newTraffic()
  readonly #parts: BridgeParts
  readonly #protocol: string
  #state: 'open' | 'ended' = 'open'
  #usedAt: number
  #timer: Timer | undefined

  constructor(parts: BridgeParts) {
    this.#parts = parts
    this.#protocol = parts.client.protocol
    this.#usedAt = parts.clock.now()
  }

  start(): void {
    const { client, origin, counts } = this.#parts
    counts.open += 1
    for (const [side, from, to] of [
      ['client', client, origin],
      ['origin', origin, client],
    ] as const) {
      from.closed.then(
        info => this.#end(`closed_by_${side}`, info, undefined),
        (error: unknown) => this.#end(`${side}_lost`, undefined, asTransportError(error)),
      )
      this.#run(from.draining.then(() => to.drain()))
      this.#run(this.#carryBidirectional(side, from, to))
      this.#run(this.#carryUnidirectional(side, from, to))
      this.#carryDatagrams(side, from, to)
    }
    this.#watchIdle()
  }

  /** Both sides receive the reason. */
  close(result: 'idle' | 'shutdown', error: TransportError): void {
    this.#end(result, { closeCode: OWN_CLOSE_CODE, reason: error.message }, error)
  }

  // Streams and datagrams

  async #carryBidirectional(side: SessionSide, from: CarriedSession, to: CarriedSession): Promise<void> {
    const reader = from.incomingBidirectionalStreams.getReader()
    const other = side === 'client' ? 'origin' : 'client'
    for (;;) {
      const { value, done } = await reader.read()
      if (done) return
      const opened = await to.createBidirectionalStream({ waitUntilAvailable: true })
      this.traffic[side].bidirectionalStreams += 1
      this.#parts.counts.traffic[side].bidirectionalStreams += 1
      this.#carry(side, value.readable, opened.writable)
      this.#carry(other, opened.readable, value.writable)
    }
  }

  async #carryUnidirectional(side: SessionSide, from: CarriedSession, to: CarriedSession): Promise<void> {
    const reader = from.incomingUnidirectionalStreams.getReader()
    for (;;) {
      const { value, done } = await reader.read()
      if (done) return
      const writable = await to.createUnidirectionalStream({ waitUntilAvailable: true })
      this.traffic[side].unidirectionalStreams += 1
      this.#parts.counts.traffic[side].unidirectionalStreams += 1
      this.#carry(side, value, writable)
    }
  }

  #carry(side: SessionSide, readable: WebTransportReceiveStream, writable: WebTransportSendStream): void {
    this.#run(carryStream(readable, writable, bytes => this.#onCarried(side, bytes)))
  }

  /** In the turn in which it comes. What the other side does not take at once waits in a short queue. */
  #carryDatagrams(side: SessionSide, from: CarriedSession, to: CarriedSession): void {
    from.datagrams.onDatagram = payload => {
      this.traffic[side].datagrams += 1
      this.#parts.counts.traffic[side].datagrams += 1
      this.#onCarried(side, payload.length)
      if (!to.datagrams.relay(payload)) this.#countLost(side, from, to)
    }
  }

  #onCarried(side: SessionSide, bytes: number): void {
    const { clock, counts } = this.#parts
    this.#usedAt = clock.now()
    this.traffic[side].bytes += bytes
    counts.traffic[side].bytes += bytes
    if (side === 'client') this.#parts.onCarried(bytes, 0)
    else this.#parts.onCarried(0, bytes)
  }

  #countLost(side: SessionSide, from: CarriedSession, to: CarriedSession): void {
    const own = this.traffic[side]
    const shared = this.#parts.counts.traffic[side]
    const { oversized, unsent } = to.lostDatagrams
    const unread = from.lostDatagrams.unread + unsent
    shared.unreadDatagrams += unread - own.unreadDatagrams
    shared.oversizedDatagrams += oversized - own.oversizedDatagrams
    own.unreadDatagrams = unread
    own.oversizedDatagrams = oversized
  }

  // The end

  /** A loop that ends with its session has ended well. */
  #run(loop: Promise<void>): void {
    loop.catch((error: unknown) => {
      if (error instanceof WebTransportError) return
      containFault('a session of WebTransport', error, fault => {
        this.#parts.client.abort(fault)
        this.#parts.origin.abort(fault)
      })
    })
  }

  /** One timer, which looks at when something was carried last: nothing is done per piece. */
  #watchIdle(): void {
    const { idleMs, clock } = this.#parts
    if (idleMs === 0 || this.#state === 'ended') return
    const leftMs = this.#usedAt + idleMs - clock.now()
    if (leftMs > 0) {
      const onTimer = guardedListener(
        'a quiet session',
        () => this.#watchIdle(),
        error => this.close('idle', error),
      )
      this.#timer = clock.setTimer(leftMs, onTimer)
      return
    }
    this.close('idle', new TransportError('MM_TUNNEL_IDLE', `nothing went through for ${idleMs} ms`))
  }

  /** `info` undefined: one side was lost, and the other one is broken off. */
  #end(
    result: SessionResult,
    info: WebTransportCloseInfo | undefined,
    error: TransportError | undefined,
  ): void {
    if (this.#state === 'ended') return
    this.#state = 'ended'
    this.#timer?.cancel()
    const { client, origin, counts, onEnded } = this.#parts
    this.#countLost('client', client, origin)
    this.#countLost('origin', origin, client)
    for (const session of [client, origin]) {
      if (info !== undefined) session.close(info)
      else if (error !== undefined) session.abort(error)
    }
    counts.open -= 1
    counts.results.add(result)
    const { traffic } = this
    onEnded({ result, closeCode: info?.closeCode, protocol: this.#protocol, traffic }, error)
  }
}
