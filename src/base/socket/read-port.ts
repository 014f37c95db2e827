import type { TransportError } from '../errors.ts'
import { containFault } from '../guard.ts'
import type { StreamSocket } from './stream-socket.ts'

/** Who reads what arrives on a socket. */
export interface ReadReceiver {
  /**
   * `buffer[start, end)` arrived. It is borrowed until the call returns. False: no more until the socket is
   * resumed.
   */
  onRead(buffer: Buffer, start: number, end: number): boolean
  /** onRead has thrown, which was reported: ends what is spoken on the socket, and the socket. */
  onFault(error: TransportError): void
}

/** What `net.connect` and `tls.connect` take as `onread`. */
export interface OnReadOptions {
  buffer: () => Buffer
  callback: (byteCount: number, buffer: Uint8Array) => boolean
}

/**
 * As large as the most that libuv hands over in one read, so that bulk costs as few calls as possible.
 */
const READ_BUFFER_BYTES = 65_536

/**
 * Up to this size `keep` copies: giving 64 KB away for less would hold more than four times the memory. A
 * read of TLS is one record, so it always copies; bulk on a plain socket comes in larger pieces.
 */
const COPIED_BYTES = READ_BUFFER_BYTES / 4

/**
 * The buffer that every socket reads into. One is enough, since whoever receives is done with the bytes, or
 * has kept them, when the callback returns. Reading into memory of our own spares an allocation per read: 24
 * % of the CPU of a 200 MB download.
 */
const sharedBuffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES)

/**
 * Stands between a socket and its reader, because Node wants the `onread` option when the socket is made,
 * which is before anybody knows what will be spoken on it:
 *
 *     const port = new ReadPort() const socket = tls.connect({ host, port: 443, onread: port.onread }) // or
 *     net.connect; not with `socket:`, see below // ... secureConnect ... new Http1Connection({ socket, port,
 *     ... }) // attaches itself
 *
 * `tls.connect({ socket })` and accepted sockets cannot have the option: `ReadPort.over(socket)` reads those
 * by 'data' events. End and errors are not the port's: they come as the socket's 'end', 'error' and 'close'
 * either way.
 *
 * Memory. All ports read into one shared buffer, which can never be given away: Node already holds it as the
 * destination of the next read of every other socket. A port whose reader keeps large chunks (it is slower
 * than the origin) therefore gets a buffer of its own, which is given away without a copy and replaced; it
 * goes back to the shared one with the first small read.
 */
export class ReadPort {
  readonly onread: OnReadOptions
  #receiver: ReadReceiver | undefined
  /** Where the next read lands. */
  #buffer: Buffer = sharedBuffer
  /** The reader kept a large chunk of the current read. */
  #keptLarge = false
  /** The buffer of the current read belongs to what was kept from it: nothing will be read into it again. */
  #givenAway = false
  #early: Buffer[] | undefined

  constructor() {
    this.onread = {
      buffer: () => this.#buffer,
      callback: (byteCount, buffer) => this.#onRead(byteCount, buffer),
    }
  }

  /** A port for a socket that was made without `onread`. */
  static over(socket: StreamSocket): ReadPort {
    const port = new ReadPort()
    socket.on('data', (chunk: Buffer) => {
      // Memory that Node allocated for this read alone: it may be kept as it is.
      port.#givenAway = true
      if (!port.#deliver(chunk, 0, chunk.length)) socket.pause()
    })
    return port
  }

  /**
   * From now on `receiver` gets what arrives. What came before is waiting in takeEarly(), and then the socket
   * stands still until it is resumed.
   */
  attach(receiver: ReadReceiver): void {
    this.#receiver = receiver
  }

  /** The bytes that arrived before a receiver was attached, once. */
  takeEarly(): Buffer | undefined {
    const early = this.#early
    this.#early = undefined
    return early === undefined ? undefined : Buffer.concat(early)
  }

  /**
   * A version of a borrowed chunk that may outlive the call in which it was received. Call it within that
   * call.
   */
  keep(chunk: Buffer): Buffer {
    if (this.#givenAway) return chunk.length * 4 < chunk.buffer.byteLength ? Buffer.from(chunk) : chunk
    if (chunk.length <= COPIED_BYTES) return Buffer.from(chunk)
    this.#keptLarge = true
    if (this.#buffer === sharedBuffer) return Buffer.from(chunk)
    this.#givenAway = true
    return chunk
  }

  #onRead(byteCount: number, buffer: Uint8Array): boolean {
    this.#givenAway = false
    this.#keptLarge = false
    // Node hands back the very object that `buffer()` returned, so it is a Buffer.
    const goesOn = this.#deliver(buffer as Buffer, 0, byteCount)
    // Node asks for the next buffer as soon as this returns.
    if (this.#keptLarge) {
      if (this.#givenAway || this.#buffer === sharedBuffer) {
        this.#buffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES)
      }
    } else if (byteCount <= COPIED_BYTES) {
      this.#buffer = sharedBuffer
    }
    return goesOn
  }

  #deliver(buffer: Buffer, start: number, end: number): boolean {
    const receiver = this.#receiver
    if (receiver !== undefined) {
      try {
        return receiver.onRead(buffer, start, end)
      } catch (error) {
        containFault('reading from an origin', error, fault => receiver.onFault(fault))
        return false
      }
    }
    this.#early ??= []
    this.#early.push(Buffer.from(buffer.subarray(start, end)))
    return false
  }
}
