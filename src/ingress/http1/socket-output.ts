import type { Duplex } from 'node:stream'
import { containFault } from '../../base/guard.ts'
import { CHUNK_END, encodeChunkHead } from '../../http/http1/codec/field-encoder.ts'

/**
 * Up to this size a chunk is copied next to its head: 16 KB take about a microsecond, a second write several.
 */
const SMALL_BYTES = 16_384
/** Up to this size a borrowed chunk is copied rather than kept, while the socket takes what it gets. */
const COPY_BYTES = 65_536

/** Something that may have to be written when the current run of JavaScript is over. */
export interface TickEndListener {
  onTickEnd(): void
}

const CRLF = Buffer.from(CHUNK_END, 'latin1')

/**
 * What goes out on one connection. Pieces are gathered and leave in one write: at the latest when the current
 * run of JavaScript is over (process.nextTick), so that a head, a body and a terminator that come in one read
 * of the origin's socket are one system call.
 *
 * Why borrowed memory is safe here. Memory that was given to socket.write() may be read until the write's
 * callback ran, which is what `writableLength` tells: it is 0 exactly when every write so far was called
 * back. A borrowed chunk is valid only until the caller returns, and `keep` may answer with a copy, so that
 * asking it after the write would be too late. Therefore a borrowed chunk itself is never given to the
 * socket: it is
 * - copied into the arena, when it is small, or when nothing waits in a plain socket (the write most likely
 *   ends at once, and the arena gets its memory back: a copy within the cache, no allocation), or
 * - exchanged for `keep(chunk)` before the write, when the socket is behind or encrypts, where the memory
 *   stays in use after the write: then keep's choice, to copy or to give the read buffer away, is the cheaper
 *   one. What a client that stalls has not taken is never in the arena, but for what was written before it
 *   did: a few bytes would hold a whole block. The arena's memory is given back only when writableLength is 0
 *   after the write.
 */
export class SocketOutput {
  readonly #socket: Duplex
  /** Writes never end at once: TLS encrypts now and writes later. */
  readonly #isDeferred: boolean
  readonly #onBehind: () => void
  #block: Buffer = CRLF
  #start = 0
  #end = 0
  /** Bytes since the beginning: those that were added, and how many of them were written. */
  #addedBytes = 0
  #writtenBytes = 0
  #isTickQueued = false
  #tickListener: TickEndListener | undefined
  /** Its client took long to take what waited for it the last time. */
  isSlow = false

  /** `onBehind` is called when the socket did not take everything at once. */
  constructor(socket: Duplex, isDeferred: boolean, onBehind: () => void) {
    this.#socket = socket
    this.#isDeferred = isDeferred
    this.#onBehind = onBehind
  }

  /** The socket has more than it wants: wait for its 'drain'. */
  get hasBacklog(): boolean {
    const { writableLength } = this.#socket
    return writableLength > 0 && writableLength >= this.#socket.writableHighWaterMark
  }

  /** How much was added so far; for takeBack(). */
  get addedBytes(): number {
    return this.#addedBytes
  }

  /** Forgets what was added after so many bytes, unless some of it was written. */
  takeBack(addedBytes: number): boolean {
    if (this.#writtenBytes > addedBytes) return false
    const end = this.#end - (this.#addedBytes - addedBytes)
    if (end === this.#start) this.discard()
    else {
      sharedArena.giveBack(this.#block, end, this.#end)
      this.#end = end
      this.#addedBytes = addedBytes
    }
    return true
  }

  /** Text of one byte per character. */
  addText(text: string): void {
    if (this.#holdsMemory) {
      this.flush()
      if (this.#socket.writable) this.#socket.write(Buffer.from(text, 'latin1'))
      this.#addedBytes += text.length
      this.#writtenBytes = this.#addedBytes
      if (this.#socket.writableLength > 0) this.#onBehind()
      return
    }
    const at = this.#room(text.length)
    this.#block.write(text, at, 'latin1')
  }

  /** A piece of a body as it is. The chunk may be borrowed. */
  addChunk(chunk: Buffer, keep: (chunk: Buffer) => Buffer): void {
    const { length } = chunk
    if (this.#isCopied(length)) {
      const at = this.#room(length)
      chunk.copy(this.#block, at)
      this.#flushIfLarge()
      return
    }
    this.#socket.cork()
    this.flush()
    this.#socket.write(keep(chunk))
    this.#addedBytes += length
    this.#uncork()
  }

  /** A chunk of the chunked coding (RFC 9112 7.1). */
  addFramedChunk(chunk: Buffer, keep: (chunk: Buffer) => Buffer): void {
    const { length } = chunk
    // An empty chunk would end the body.
    if (length === 0) return
    const prefix = encodeChunkHead(length)
    if (this.#isCopied(length)) {
      const at = this.#room(prefix.length + length + CRLF.length)
      const block = this.#block
      block.write(prefix, at, 'latin1')
      chunk.copy(block, at + prefix.length)
      block.set(CRLF, at + prefix.length + length)
      this.#flushIfLarge()
      return
    }
    this.#socket.cork()
    if (this.#holdsMemory && length <= SMALL_BYTES) {
      this.flush()
      this.#socket.write(Buffer.concat([Buffer.from(prefix, 'latin1'), chunk, CRLF]))
      this.#addedBytes += prefix.length
    } else {
      this.addText(prefix)
      this.flush()
      this.#socket.write(keep(chunk))
      this.#socket.write(CRLF)
    }
    this.#addedBytes += length + CRLF.length
    this.#uncork()
  }

  /** Writes what was gathered. */
  flush(): void {
    const start = this.#start
    const end = this.#end
    if (end === start) return
    const block = this.#block
    this.#start = this.#end = 0
    this.#block = CRLF
    this.#writtenBytes = this.#addedBytes
    const socket = this.#socket
    if (socket.writable) {
      socket.write(block.subarray(start, end))
      if (socket.writableLength > 0) {
        this.#onBehind()
        return
      }
    }
    sharedArena.giveBack(block, start, end)
  }

  /** Forgets what was gathered and not written. */
  discard(): void {
    sharedArena.giveBack(this.#block, this.#start, this.#end)
    this.#addedBytes = this.#writtenBytes
    this.#start = this.#end = 0
    this.#block = CRLF
  }

  #uncork(): void {
    this.#writtenBytes = this.#addedBytes
    this.#socket.uncork()
    if (this.#socket.writableLength > 0) this.#onBehind()
  }

  /** What is written now stays in memory until its client takes it. */
  get #holdsMemory(): boolean {
    return this.isSlow || (!this.#isDeferred && this.#socket.writableLength > 0)
  }

  #isCopied(length: number): boolean {
    if (this.#holdsMemory) return false
    if (length <= SMALL_BYTES) return true
    return length <= COPY_BYTES && !this.#isDeferred
  }

  #flushIfLarge(): void {
    if (this.#end - this.#start > SMALL_BYTES) this.flush()
  }

  /** Room for some bytes behind what was gathered; they are counted as gathered. */
  #room(bytes: number): number {
    if (this.#end > this.#start && !sharedArena.canExtend(this.#block, this.#end, bytes)) this.flush()
    if (this.#end === this.#start) {
      this.#block = sharedArena.blockFor(bytes)
      this.#start = this.#end = sharedArena.offset
      this.#queueTick()
    }
    const at = this.#end
    this.#end = at + bytes
    this.#addedBytes += bytes
    sharedArena.take(this.#end)
    return at
  }

  /** Calls the listener before the flush at the end of the current run of JavaScript. The last one counts. */
  callAtTickEnd(listener: TickEndListener): void {
    this.#tickListener = listener
    this.#queueTick()
  }

  onTickEnd(): void {
    this.#isTickQueued = false
    const listener = this.#tickListener
    this.#tickListener = undefined
    try {
      listener?.onTickEnd()
      this.flush()
    } catch (error) {
      // The 'close' that follows ends the exchange.
      containFault('writing to an HTTP/1.1 client', error, () => this.#socket.destroy())
    }
  }

  #queueTick(): void {
    if (this.#isTickQueued) return
    this.#isTickQueued = true
    process.nextTick(flushAtEndOfTick, this)
  }
}

/** One function for all, so that a response needs no closure. */
function flushAtEndOfTick(output: SocketOutput): void {
  output.onTickEnd()
}

/** Holds the largest piece that is copied, with its head, several times over. */
const ARENA_BYTES = 262_144

/**
 * Memory for what is about to be written, shared by all connections of the process: a block that is handed
 * out from its front.
 *
 * A small response is put together here and leaves in one write. On a plain socket the kernel nearly always
 * takes it within that write, and then the same bytes of the same block, still warm in the cache, serve the
 * next response: no allocation at all. Where it does not (a slow client, TLS, which always writes later), the
 * bytes are simply not given back: the block moves on, and is left to the garbage collector once it is used
 * up. So no memory is written to while a socket may still read it.
 */
class OutputArena {
  #block = Buffer.allocUnsafeSlow(ARENA_BYTES)
  #offset = 0

  /** The block that the next bytes come from, after room for this many has been made sure of. */
  blockFor(bytes: number): Buffer {
    if (this.#offset + bytes > this.#block.length) {
      this.#block = Buffer.allocUnsafeSlow(Math.max(ARENA_BYTES, bytes))
      this.#offset = 0
    }
    return this.#block
  }

  /** Where the free bytes of the block begin. */
  get offset(): number {
    return this.#offset
  }

  /** Whether `bytes` more can follow what ends at `end` of `block`: nobody else took the bytes behind it. */
  canExtend(block: Buffer, end: number, bytes: number): boolean {
    return block === this.#block && end === this.#offset && end + bytes <= block.length
  }

  /** Takes everything up to `end` of the current block. */
  take(end: number): void {
    this.#offset = end
  }

  /** Gives back what begins at `start` and ends at `end`, if it was the last that was taken. */
  giveBack(block: Buffer, start: number, end: number): void {
    if (block === this.#block && end === this.#offset) this.#offset = start
  }
}

/** One for the process: what is held in it is written before the event loop turns. */
const sharedArena = new OutputArena()
