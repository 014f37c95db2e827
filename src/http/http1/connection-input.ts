import type { CloseReason } from '../../base/events/connection.ts'
import type { ExchangeRequest } from '../../base/http/exchange.ts'
import { type HeaderList, NO_HEADERS } from '../../base/http/headers.ts'
import type { ResponseLimits } from '../../base/options/options.ts'
import type { ReadPort } from '../../base/socket/read-port.ts'
import type { StreamSocket } from '../../base/socket/stream-socket.ts'
import { DEFAULT_CODEC_LIMITS } from './codec/codec-failure.ts'
import type { Http1ResponseHead } from './codec/message-events.ts'
import { ResponseDecoder } from './codec/response-decoder.ts'
import { UnreadInput } from './unread-input.ts'

/** Whom the responses are for. What ends one comes after the decoder has seen every byte of a read. */
export interface InputOwner {
  /** From within a read. May throw, which breaks the response. */
  readonly onHead: (head: Http1ResponseHead) => void
  readonly onData: (chunk: Buffer) => void
  /** `hasLeftOver`: bytes came behind the response. */
  readonly onComplete: (trailers: HeaderList, hasLeftOver: boolean) => void
  /** The peer has switched protocols; `leftOver` is borrowed. */
  readonly onTunnel: (head: Http1ResponseHead, leftOver: Buffer) => void
  readonly onBroken: (error: unknown, reason: CloseReason) => void
  /**
   * Said once more of a socket that was closed while the body was held back, now that its reader has had the
   * rest.
   */
  readonly onSocketClosed: () => void
}

/**
 * What a connection reads: decodes one response at a time, and holds back what follows the place where its
 * handler paused, with the end of the connection behind that. Between forget() and the next expect() no
 * response is under way, and nothing is reported.
 */
export class ConnectionInput {
  readonly #socket: StreamSocket
  readonly #port: ReadPort
  readonly #owner: InputOwner
  readonly #decoder: ResponseDecoder
  /** A response is under way. */
  #isExpected = false
  /** What the decoder reported in the read that is being handled. */
  #tunnelHead: Http1ResponseHead | undefined
  #isComplete = false
  #trailers: HeaderList = NO_HEADERS
  /**
   * What the last read had brought behind the place where the handler paused: the socket is not read
   * meanwhile.
   */
  readonly #held = new UnreadInput()
  /** How the connection ended behind that. */
  #heldEnd: 'peer-end' | 'closed' | undefined
  /** The handler is being called with what a read has brought. */
  #isDecoding = false

  constructor(socket: StreamSocket, port: ReadPort, limits: ResponseLimits, owner: InputOwner) {
    this.#socket = socket
    this.#port = port
    this.#owner = owner
    const { maxHeaderBytes, maxHeaderCount } = limits
    this.#decoder = new ResponseDecoder(
      { ...DEFAULT_CODEC_LIMITS, maxHeaderBytes, maxHeaderCount, maxTrailerBytes: maxHeaderBytes },
      {
        onHead: head => {
          owner.onHead(head)
          if (head.isTunnel) this.#tunnelHead = head
        },
        onData: owner.onData,
        onEnd: trailers => {
          this.#isComplete = true
          this.#trailers = trailers
        },
      },
    )
  }

  /** The connection has ended behind what is held back. */
  get hasEnded(): boolean {
    return this.#heldEnd !== undefined
  }

  /** The request was written: its response is what comes next. */
  expect(request: ExchangeRequest): void {
    this.#decoder.expect(request.method, request.upgrade)
    this.#isExpected = true
    this.#isComplete = false
  }

  receive(buffer: Buffer, start: number, end: number): void {
    const next = this.#decode(buffer, start, end)
    if (next === undefined || !this.#decoder.isHeld) return
    // TLS hands out the records that it has decrypted though reading was stopped.
    const rest = this.#port.keep(buffer.subarray(next, end))
    this.#held.add(rest, 0, rest.length)
    this.#socket.pause()
  }

  /** The peer has ended while a response was under way. */
  receiveEnd(): void {
    if (this.#decoder.isHeld) {
      this.#heldEnd ??= 'peer-end'
      return
    }
    try {
      this.#decoder.receiveEnd()
    } catch (error) {
      this.#owner.onBroken(error, 'peer-closed')
      return
    }
    if (this.#isExpected) this.#owner.onComplete(this.#trailers, false)
  }

  /**
   * The socket is closed. True: the reader has not had everything yet, and onSocketClosed follows when he
   * has.
   */
  holdsBackClose(): boolean {
    if (!this.#decoder.isHeld) return false
    this.#heldEnd ??= 'closed'
    return true
  }

  /** The handler has paused within a body. */
  hold(): void {
    this.#decoder.hold()
    if (!this.#isDecoding) this.#socket.pause()
  }

  /** The handler goes on: it gets what was held, and then the socket is read again. */
  release(): void {
    if (!this.#decoder.isHeld) return
    this.#decoder.release()
    // Who pauses and resumes within a call is served by the loop that called him.
    if (!this.#isDecoding) this.#deliverHeld()
  }

  /** Takes nothing more, of this response or another. */
  stop(): void {
    this.#decoder.stop()
  }

  /** The exchange is over. */
  forget(): void {
    this.#isExpected = false
    this.#held.clear()
    // A paused socket would not notice that the peer closes.
    if (this.#socket.isPaused()) this.#socket.resume()
  }

  /**
   * The index of the first byte that was not taken: a handler that pauses gets nothing further. Undefined:
   * the response is over.
   */
  #decode(buffer: Buffer, start: number, end: number): number | undefined {
    let next = start
    this.#isDecoding = true
    try {
      next = this.#decoder.receive(buffer, start, end)
    } catch (error) {
      this.#owner.onBroken(error, 'protocol-error')
    } finally {
      this.#isDecoding = false
    }
    if (!this.#isExpected) return undefined // it has failed, or its handler gave it up
    const tunnelHead = this.#tunnelHead
    if (tunnelHead !== undefined) {
      this.#tunnelHead = undefined
      this.#owner.onTunnel(tunnelHead, buffer.subarray(next, end))
      return undefined
    }
    if (!this.#isComplete) return next
    this.#owner.onComplete(this.#trailers, next < end)
    return undefined
  }

  #deliverHeld(): void {
    const bytes = this.#held.takeAll() ?? Buffer.alloc(0)
    const next = this.#decode(bytes, 0, bytes.length)
    if (next === undefined) return
    if (this.#decoder.isHeld) this.#held.add(bytes, next, bytes.length)
    else if (this.#heldEnd === 'peer-end') this.receiveEnd()
    else if (this.#heldEnd === 'closed') this.#owner.onSocketClosed()
    else this.#socket.resume()
  }
}
