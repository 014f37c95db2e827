import type { Fifo } from '../../base/fifo.ts'
import { SeenStreams } from '../../base/seen-streams.ts'
import type { QuicEvent, StreamRead } from '../engine.ts'
import type { NativeConnection, QuicheBinding } from './binding.ts'
import { nativeError } from './connection-end.ts'
import { firstStream, isOpenedBy, isUnidirectional, type LocalStreams, type Role } from './local-streams.ts'
import type { SendStreams } from './send-streams.ts'
import type { UnreadDataGuard } from './unread-data-guard.ts'

/** What is read over of a stream of the peer's that we want no more of, before STOP_SENDING is sent. */
const MAX_DISCARDED_BYTES = 262_144
/** How long a finished answer has to be acknowledged before its stream is reset to make quiche forget it. */
const LINGER_MS = 5_000
/** Stopped streams that are looked at in one turn. */
const MAX_SWEPT_PER_TURN = 64

const SCRATCH = Buffer.allocUnsafeSlow(16_384)
const NO_STREAMS: readonly number[] = []

interface Discard {
  leftBytes: number
  readonly code: number
}

/** A stopped stream that quiche may keep for ever. */
interface Stopped {
  /** What we have written and finished is still wanted. */
  readonly keepsOurs: boolean
  /** Since when both sides were seen to be complete. */
  completeAt: number | undefined
}

/** Of the unidirectional streams of the peer so many may be stopped at once. */
const LOST_CREDIT_SHARE = 4

/**
 * The peer's sides of streams.
 *
 * Stopping has a trap in quiche 0.18: a stream that was stopped is forgotten when an acknowledgement finds
 * both sides complete, but nothing looks again when the peer's RESET_STREAM comes after our side is complete.
 * Such a stream stays for ever, and if the peer opened it, its credit (MAX_STREAMS) with it: 100 early
 * answers and a server takes no more requests (measured). And when the peer's end comes by FIN after all, it
 * is never complete. So:
 * - Streams that the peer opened are read over to their end, which quiche forgets as it should; only one that
 *   goes on for more than MAX_DISCARDED_BYTES is stopped.
 * - Streams that we opened are stopped at once, since the peer may be producing for hours, and costs no
 *   credit.
 * - When the peer's side of a stopped stream is complete and quiche still knows it, it is made to look again
 *   by a RESET_STREAM, which the peer ignores after the end (RFC 9000 3.2): for our own requests at once,
 *   since nobody wants them any more; for others when our end has surely been acknowledged.
 *
 * - Unidirectional streams of the peer have no side of ours that could make quiche look again: each that is
 *   stopped costs a credit for good. So only some are stopped at once, and when these are used up the
 *   connection is retired.
 *
 * A stream that the peer has reset has the same trap the other way round: quiche looks again when it is read,
 * which nobody does who has received the reset. So such streams are read once more when something has come,
 * until quiche says that it does not know them.
 */
export class ReceiveStreams {
  readonly #native: NativeConnection
  readonly #shutdown: QuicheBinding['Shutdown']
  readonly #role: Role
  readonly #events: Fifo<QuicEvent>
  readonly #sends: SendStreams
  readonly #watchdog: UnreadDataGuard
  readonly #local: LocalStreams
  readonly #seen: SeenStreams
  readonly #discarding = new Map<number, Discard>()
  readonly #stopped = new Map<number, Stopped>()
  /** Streams of the peer that it has reset, and that quiche may still know. */
  readonly #reset = new Set<number>()
  #readable: readonly number[] = NO_STREAMS
  #nextReadable = 0
  #filledBuffer = false
  #now = 0
  readonly #maxLostCredit: number
  #lostCredit = 0
  /** Streams of ours whose answers have ended, in whatever way. */
  #ended = 0

  constructor(options: {
    readonly native: NativeConnection
    readonly shutdown: QuicheBinding['Shutdown']
    readonly role: Role
    readonly events: Fifo<QuicEvent>
    readonly sends: SendStreams
    readonly watchdog: UnreadDataGuard
    /** Those that we open for answers. */
    readonly local: LocalStreams
    readonly maxUnidirectionalStreams: number
  }) {
    this.#native = options.native
    this.#shutdown = options.shutdown
    this.#role = options.role
    this.#events = options.events
    this.#sends = options.sends
    this.#watchdog = options.watchdog
    this.#local = options.local
    this.#maxLostCredit = Math.floor(options.maxUnidirectionalStreams / LOST_CREDIT_SHARE)
    this.#seen = new SeenStreams(firstStream(this.#role === 'client' ? 'server' : 'client', 'bidirectional'))
  }

  /** Something came. The list costs 10 us whatever is in it, the question before it 0.1. */
  poll(now: number): void {
    this.#now = now
    this.#filledBuffer = false
    this.#readable = this.#native.isReadable() ? [...this.#native.readable()] : NO_STREAMS
    this.#nextReadable = 0
    if (this.#stopped.size > 0) this.#sweep()
    if (this.#reset.size > 0) this.#sweepReset()
  }

  /** The last read took all that the buffer could hold: there may be more, though nothing comes. */
  get hasMore(): boolean {
    return this.#filledBuffer
  }

  /** There are streams of ours whose answers have not come to their end. */
  get awaitsPeer(): boolean {
    return this.#local.opened > this.#ended
  }

  nextReadable(): number | undefined {
    while (this.#nextReadable < this.#readable.length) {
      const stream = this.#readable[this.#nextReadable]
      this.#nextReadable += 1
      if (stream === undefined) continue
      if (this.#discarding.size > 0 && this.#discarding.has(stream)) {
        this.#discard(stream)
        continue
      }
      const isPeers = !isOpenedBy(this.#role, stream)
      if (isPeers && !isUnidirectional(stream) && this.#seen.add(stream)) this.#sends.onPeerOpened(stream)
      return stream
    }
    return undefined
  }

  /** See QuicConnection.read. */
  read(stream: number, into: Buffer): StreamRead | undefined {
    try {
      const read = this.#native.streamRecv(stream, into)
      if (read === null) return undefined
      this.#watchdog.onDelivered(read[0])
      if (read[1]) this.#onEnded(stream)
      else if (read[0] === into.length) this.#filledBuffer = true
      return read
    } catch (error) {
      const { name, code } = nativeError(error)
      // InvalidStreamState: it has ended, or never was.
      if (name === 'StreamReset') this.#onReset(stream, code)
      return undefined
    }
  }

  /** See QuicConnection.stop. */
  stop(stream: number, code: number): void {
    if (isOpenedBy(this.#role, stream)) {
      this.#stopOwn(stream, code, false)
    } else if (!this.#discarding.has(stream)) {
      this.#discarding.set(stream, { leftBytes: MAX_DISCARDED_BYTES, code })
      this.#discard(stream)
    }
  }

  /** See QuicConnection.stopAtOnce. */
  stopAtOnce(stream: number, code: number): void {
    if (isOpenedBy(this.#role, stream)) {
      this.#stopOwn(stream, code, true)
      return
    }
    const isCounted = isUnidirectional(stream)
    if (isCounted && this.#lostCredit >= this.#maxLostCredit) {
      this.stop(stream, code)
      return
    }
    if (!this.#stopNow(stream, code, true)) return
    this.#watchdog.onStopped()
    if (!isCounted) return
    this.#stopped.delete(stream)
    this.#lostCredit += 1
    if (this.#lostCredit === this.#maxLostCredit) this.#events.push({ type: 'worn-out' })
  }

  #stopOwn(stream: number, code: number, keepsOurs: boolean): void {
    if (!isUnidirectional(stream) && this.#stopNow(stream, code, keepsOurs)) this.#watchdog.onStopped()
  }

  #onReset(stream: number, code: number): void {
    this.#events.push({ type: 'reset', stream, code })
    this.#onEnded(stream)
    if (!isOpenedBy(this.#role, stream) && !isUnidirectional(stream)) this.#reset.add(stream)
  }

  #onEnded(stream: number): void {
    if (isOpenedBy(this.#role, stream) && !isUnidirectional(stream)) this.#ended += 1
  }

  #sweepReset(): void {
    let left = Math.min(this.#reset.size, MAX_SWEPT_PER_TURN)
    for (const stream of this.#reset) {
      if (left-- === 0) return
      this.#reset.delete(stream)
      try {
        this.#native.streamRecv(stream, SCRATCH)
      } catch (error) {
        // Anything but InvalidStreamState: it is still known. To the end: the others have their turn.
        if (nativeError(error).name !== 'InvalidStreamState') this.#reset.add(stream)
      }
    }
  }

  #discard(stream: number): void {
    const discard = this.#discarding.get(stream)
    if (discard === undefined) return
    for (;;) {
      const read = this.#readOver(stream)
      if (read === 'end') {
        this.#discarding.delete(stream)
        return
      }
      if (read === undefined) return
      discard.leftBytes -= read
      if (discard.leftBytes <= 0) {
        this.#discarding.delete(stream)
        this.#stopNow(stream, discard.code, true)
        return
      }
    }
  }

  #readOver(stream: number): number | 'end' | undefined {
    try {
      const read = this.#native.streamRecv(stream, SCRATCH)
      if (read === null) return undefined
      this.#watchdog.onDelivered(read[0])
      return read[1] ? 'end' : read[0]
    } catch (error) {
      if (nativeError(error).name === 'StreamReset') this.#reset.add(stream)
      return 'end' // else it is gone
    }
  }

  /** False: InvalidStreamState, it has nothing that could be stopped; Done, it was. */
  #stopNow(stream: number, code: number, keepsOurs: boolean): boolean {
    try {
      this.#sends.create(stream)
      this.#native.streamShutdown(stream, this.#shutdown.Read, code)
    } catch {
      return false
    }
    this.#stopped.set(stream, { keepsOurs, completeAt: undefined })
    this.#onEnded(stream)
    return true
  }

  #sweep(): void {
    let left = Math.min(this.#stopped.size, MAX_SWEPT_PER_TURN)
    for (const [stream, stopped] of this.#stopped) {
      if (left-- === 0) return
      this.#stopped.delete(stream)
      if (this.#isForgotten(stream)) continue
      if (this.#native.streamFinished(stream) && !this.#sends.isOpen(stream)) stopped.completeAt ??= this.#now
      const { completeAt, keepsOurs } = stopped
      const isDue = completeAt !== undefined && (!keepsOurs || this.#now - completeAt >= LINGER_MS)
      if (isDue) this.#sends.shutdown(stream, 0)
      else this.#stopped.set(stream, stopped) // to the end: the others have their turn
    }
  }

  #isForgotten(stream: number): boolean {
    try {
      this.#native.streamCapacity(stream)
      return false
    } catch (error) {
      return nativeError(error).name === 'InvalidStreamState'
    }
  }
}
