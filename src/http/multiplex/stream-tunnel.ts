import { Duplex } from 'node:stream'
import { containFault } from '../../base/guard.ts'
import { NO_HEADERS } from '../../base/http/headers.ts'
import type { StreamSocket } from '../../base/socket/stream-socket.ts'
import type { Carrier } from './client-session.ts'
import { keepAsItIs, type Stream } from './stream.ts'

/**
 * A stream that became a tunnel (CONNECT, or RFC 8441 and RFC 9220), as a Duplex: DATA frames are its bytes,
 * the end of the stream is the FIN of either side, and a destroy is the reset that RFC 9113 8.5 and RFC 9114
 * 4.4 ask for. A reader that stalls holds back its own stream only.
 */
export class StreamTunnel {
  readonly duplex: StreamSocket
  readonly #stream: Stream
  readonly #keep: (chunk: Buffer) => Buffer
  #whenWritable: (() => void) | undefined
  #hasSentEnd = false
  #hasReceivedEnd = false
  /** The peer has said everything and wants to receive no more: what is written goes nowhere. */
  #isUnwanted = false

  /**
   * `onReset`: its holder, or an error, broke it off before both sides had said everything. `onReference`:
   * from now on it keeps the process alive, or does so no longer.
   */
  constructor(
    stream: Stream,
    keep: (chunk: Buffer) => Buffer,
    onReset: () => void,
    onReference: (isHeld: boolean) => void = () => {},
  ) {
    this.#stream = stream
    this.#keep = keep
    const duplex = new Duplex({
      read: () => stream.resume(),
      write: (chunk: Buffer, _encoding, callback) => {
        let isTaken = this.#isUnwanted
        try {
          isTaken ||= stream.write(chunk, keepAsItIs)
        } catch (error) {
          // Node would let it through to whoever feeds the tunnel, mostly an event of another socket.
          containFault('writing to a tunnel', error, callback)
          return
        }
        if (isTaken) callback()
        else this.#whenWritable = callback
      },
      final: callback => {
        this.#hasSentEnd = true
        if (!this.#isUnwanted) stream.end(NO_HEADERS)
        callback()
      },
      destroy: (error, callback) => {
        // When both sides have said everything, what still waits for a window must not be thrown away.
        if (!this.#hasSentEnd || !this.#hasReceivedEnd) {
          stream.reset('CANCEL')
          onReset()
        }
        callback(error)
      },
    })
    this.duplex = Object.assign(duplex, {
      ref: () => onReference(true),
      unref: () => onReference(false),
      carrier: () => stream.carrier?.(),
      datagrams: () => stream.datagrams?.(),
    })
  }

  /** `chunk` is borrowed, unless the stream says that it is not. */
  receiveData(chunk: Buffer): void {
    const kept = this.#stream.isDeliveringOwned ? chunk : this.#keep(chunk)
    if (!this.duplex.push(kept)) this.#stream.pause()
  }

  receiveEnd(): void {
    this.#hasReceivedEnd = true
    this.duplex.push(null)
  }

  /**
   * Who has said everything and then resets without an error only does not want to receive more, and what he
   * said must not be thrown away (RFC 9113 8.1): the tunnel stays until its reader has had it, which is no
   * more than lies in its buffer now.
   */
  receiveReset(error: Error, isError: boolean): void {
    const { duplex } = this
    if (isError || !this.#hasReceivedEnd) {
      duplex.destroy(error)
      return
    }
    this.#isUnwanted = true
    this.onWritable()
    if (duplex.readableEnded) duplex.destroy()
    else duplex.once('end', () => duplex.destroy())
  }

  onWritable(): void {
    const whenWritable = this.#whenWritable
    this.#whenWritable = undefined
    whenWritable?.()
  }
}

/**
 * The streams of a connection that have become tunnels, with the exchanges that they were. Pooled connections
 * do not keep the process alive; a tunnel is somebody's work, unless its holder says otherwise.
 */
export class Tunnels<Exchange> {
  readonly #carrier: Pick<Carrier, 'ref' | 'unref'>
  readonly #exchanges = new Map<Stream, Exchange>()
  /** Those that keep the process alive: all whose holder has not said otherwise. */
  readonly #held = new Set<Stream>()

  constructor(carrier: Pick<Carrier, 'ref' | 'unref'>) {
    this.#carrier = carrier
  }

  get isEmpty(): boolean {
    return this.#exchanges.size === 0
  }

  add(stream: Stream, exchange: Exchange): void {
    this.#exchanges.set(stream, exchange)
    this.hold(stream)
  }

  hold(stream: Stream): void {
    if (!this.#exchanges.has(stream)) return
    if (this.#held.size === 0) this.#carrier.ref()
    this.#held.add(stream)
  }

  letGo(stream: Stream): void {
    if (this.#held.delete(stream) && this.#held.size === 0) this.#carrier.unref()
  }

  /** The tunnel has ended. Undefined: the stream is none. */
  take(stream: Stream): Exchange | undefined {
    const exchange = this.#exchanges.get(stream)
    this.#exchanges.delete(stream)
    this.letGo(stream)
    return exchange
  }
}
