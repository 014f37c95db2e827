import type { Fifo } from '../../base/fifo.ts'
import type { QuicEvent } from '../engine.ts'
import type { NativeConnection, QuicheBinding } from './binding.ts'
import { nativeError } from './connection-end.ts'
import type { LocalStreams } from './local-streams.ts'
import { isUnidirectional } from './local-streams.ts'

/** Streams that are looked at for a STOP_SENDING in one turn: 0.1 us each. */
const MAX_LOOKS_PER_TURN = 512
/** Stopped streams whose writer may not know it yet. */
const MAX_STOPPED_KEPT = 1024
/**
 * quiche's default, and what 3 of RFC 9218 is to it: streams without a priority of their own lie between the
 * urgencies 3 and 4.
 */
const URGENCY_OFFSET = 124
const DEFAULT_URGENCY = 127
const MOST_URGENT = 0
const NO_BYTES = Buffer.alloc(0)

/**
 * Our sides of streams. A side is
 * - unwritten: its id was handed out, quiche does not know it. Next: open, finished, gone.
 * - open: something was written (or the peer opened it), its end was not. Next: finished, gone.
 * - finished: its end was taken. It is forgotten here, and so is one that is gone: reset by us or stopped by
 *   the peer.
 *
 * quiche reports a STOP_SENDING only who writes. One who waits (for its producer, or for room) would never
 * are notified of it, so the open sides are looked at in each turn in which something came: streamCapacity()
 * throws StreamStopped. The look comes before anything is sent, and quiche forgets a stopped stream only when
 * its RESET_STREAM was acknowledged, so that the code is still there; where it is not (a stream beyond
 * MAX_LOOKS_PER_TURN) it is 0.
 */
export class SendStreams {
  readonly #native: NativeConnection
  readonly #shutdown: QuicheBinding['Shutdown']
  readonly #events: Fifo<QuicEvent>
  readonly #local: { readonly bidirectional: LocalStreams; readonly unidirectional: LocalStreams }
  readonly #unwritten = new Set<number>()
  readonly #open = new Set<number>()
  readonly #stopped = new Set<number>()
  /** Took less than all, and wait for room. */
  readonly #blocked = new Set<number>()
  #looks: Iterator<number> | undefined
  #looksLeft = 0
  #writable: Iterator<number> | undefined

  constructor(
    native: NativeConnection,
    shutdown: QuicheBinding['Shutdown'],
    events: Fifo<QuicEvent>,
    local: { readonly bidirectional: LocalStreams; readonly unidirectional: LocalStreams },
  ) {
    this.#native = native
    this.#shutdown = shutdown
    this.#events = events
    this.#local = local
  }

  /** A stream of ours was numbered. */
  onOpened(stream: number): void {
    this.#unwritten.add(stream)
  }

  /** The peer opened a bidirectional stream: our side of it is open. */
  onPeerOpened(stream: number): void {
    this.#open.add(stream)
  }

  isOpen(stream: number): boolean {
    return this.#open.has(stream) || this.#unwritten.has(stream)
  }

  /** See QuicConnection.write. */
  write(stream: number, bytes: Uint8Array, isLast: boolean): number {
    const isFirst = this.#unwritten.has(stream)
    if (!isFirst && !this.#open.has(stream)) {
      if (this.#stopped.has(stream)) return 0
      throw new Error(`stream ${stream} takes no writes: it was finished or reset, or is not ours to write`)
    }
    if (bytes.length === 0) {
      // quiche 0.18 forgets an end that stands alone when the data before it is acknowledged first
      // (cloudflare/quiche 2525).
      if (isLast) throw new Error(`the end of stream ${stream} must come with a byte`)
      return 0
    }
    const written = this.#send(stream, bytes, isLast)
    if (written === undefined) return 0
    if (isFirst) this.#onCreated(stream)
    if (written === bytes.length) {
      if (isLast) {
        this.#open.delete(stream)
        this.#blocked.delete(stream)
      }
    } else {
      this.#blocked.add(stream)
    }
    return written
  }

  /**
   * See QuicConnection.finish. quiche 0.18 forgets an end that stands alone when the data before it is
   * acknowledged first (cloudflare/quiche 2525): it goes ahead of every other stream, and whoever calls lets
   * the next datagram leave before anything is received, and better twice.
   */
  finish(stream: number): 'finished' | 'over' | 'full' {
    const isFirst = this.#unwritten.has(stream)
    if (!isFirst && !this.#open.has(stream)) return 'over'
    if (!isFirst) {
      const capacity = this.#capacity(stream)
      if (capacity === undefined) return 'over'
      if (capacity === 0) {
        this.#blocked.add(stream)
        return 'full'
      }
    }
    try {
      this.#native.streamPriority(stream, MOST_URGENT, true)
    } catch {
      return 'over' // StreamLimit before the handshake
    }
    if (isFirst) this.#onCreated(stream)
    if (this.#send(stream, NO_BYTES, true) === undefined) return 'over'
    this.#open.delete(stream)
    this.#blocked.delete(stream)
    return 'finished'
  }

  /**
   * See QuicConnection.reset. Bytes of a finished side that have not left yet still leave: at most a
   * congestion window.
   */
  reset(stream: number, code: number): void {
    // The peer will count it as open once a higher one comes: it has to see that it is over.
    this.create(stream)
    if (!this.#open.has(stream)) return
    this.#forget(stream)
    this.shutdown(stream, code)
  }

  /** Makes quiche know a stream of ours before it is written to, by way of a priority. */
  create(stream: number): void {
    if (!this.#unwritten.has(stream)) return
    this.#native.streamPriority(stream, DEFAULT_URGENCY, true)
    this.#onCreated(stream)
  }

  /** RESET_STREAM, whatever the state is here. */
  shutdown(stream: number, code: number): void {
    try {
      this.#native.streamShutdown(stream, this.#shutdown.Write, code)
    } catch {
      // InvalidStreamState: it is one of the peer's that has no side of ours.
    }
  }

  /** See QuicConnection.prioritize. */
  prioritize(stream: number, urgency: number, incremental: boolean): void {
    const isFirst = this.#unwritten.has(stream)
    if (!isFirst && !this.#open.has(stream)) return
    try {
      this.#native.streamPriority(stream, URGENCY_OFFSET + urgency, incremental)
    } catch {
      return // StreamLimit before the handshake
    }
    if (isFirst) this.#onCreated(stream)
  }

  /** Something came: streams may have been stopped, others may have room. */
  poll(): void {
    this.#looks = undefined
    this.#looksLeft = this.#open.size
    this.look()
    this.#writable = this.#blocked.size > 0 ? this.#native.writable()[Symbol.iterator]() : undefined
  }

  /** Looks on for stopped streams. */
  look(): void {
    let left = Math.min(this.#looksLeft, MAX_LOOKS_PER_TURN)
    this.#looksLeft -= left
    this.#looks ??= this.#open.values()
    for (; left > 0; left -= 1) {
      const next = this.#looks.next()
      if (next.done === true) {
        this.#looksLeft = 0
        return
      }
      this.#capacity(next.value)
    }
  }

  /** Not all streams were looked at: look() wants to be called again. */
  get hasLooksLeft(): boolean {
    return this.#looksLeft > 0
  }

  /**
   * The next stream that has room after a short write, most urgent first. Each is asked when its turn comes:
   * the first ones may take all the room that there is.
   */
  nextWritable(): number | undefined {
    while (this.#writable !== undefined) {
      const next = this.#writable.next()
      if (next.done === true) break
      const stream = next.value
      if (!this.#blocked.has(stream)) continue
      const capacity = this.#capacity(stream)
      if (capacity === undefined) continue
      // A stream is listed because its own window is open: it is the connection that has no room.
      if (capacity === 0) break
      this.#blocked.delete(stream)
      return stream
    }
    this.#writable = undefined
    return undefined
  }

  #send(stream: number, bytes: Uint8Array, isLast: boolean): number | undefined {
    try {
      return this.#native.streamSend(stream, bytes, isLast) ?? 0
    } catch (error) {
      this.#onRefused(stream, error)
      return undefined
    }
  }

  /** Undefined: it was stopped. */
  #capacity(stream: number): number | undefined {
    try {
      return this.#native.streamCapacity(stream)
    } catch (error) {
      this.#onRefused(stream, error)
      return undefined
    }
  }

  /**
   * Whatever quiche says, it may be the peer's doing: the stream is over for its writer, who must not be
   * thrown at.
   */
  #onRefused(stream: number, error: unknown): void {
    const { name, code } = nativeError(error)
    this.#onStopped(stream, name === 'StreamStopped' ? code : 0)
  }

  #onStopped(stream: number, code: number): void {
    this.#forget(stream)
    this.#stopped.add(stream)
    if (this.#stopped.size > MAX_STOPPED_KEPT) {
      const oldest = this.#stopped.values().next()
      if (oldest.done !== true) this.#stopped.delete(oldest.value)
    }
    this.#events.push({ type: 'stopped', stream, code })
  }

  #onCreated(stream: number): void {
    this.#unwritten.delete(stream)
    this.#open.add(stream)
    const local = isUnidirectional(stream) ? this.#local.unidirectional : this.#local.bidirectional
    local.onCreated(stream)
  }

  #forget(stream: number): void {
    this.#unwritten.delete(stream)
    this.#open.delete(stream)
    this.#blocked.delete(stream)
  }
}
