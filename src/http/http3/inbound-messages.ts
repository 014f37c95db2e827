import { headerValue } from '../../base/http/headers.ts'
import { SMALL_PIECE_BYTES, SmallPieces } from '../../base/small-pieces.ts'
import type { RequestHead, ResponseHead } from '../multiplex/messages/message-head.ts'
import { parsePriority } from '../multiplex/messages/priority.ts'
import { UNKNOWN_LENGTH } from '../multiplex/stream.ts'
import { QpackError } from '../qpack/qpack-error.ts'
import { Http3ConnectionFault, Http3StreamFault, qpackFault } from './frames/error-codes.ts'
import type { FrameTreatment } from './frames/frame-parser.ts'
import { DATA, frameName, judgeOnRequestStream } from './frames/frame-table.ts'
import type { RequestStream } from './request-stream.ts'
import type { Http3SessionCore } from './session-core.ts'

/** As much as QUIC hands over at once. */
const READ_BYTES = 65_536

/**
 * All sessions read into one buffer: whoever receives is done with the bytes, or has kept them, when the call
 * returns. A handler may wake another stream from within; that one reads into a buffer of its own.
 */
const sharedBuffer = Buffer.allocUnsafeSlow(READ_BYTES)
let isSharedBufferBusy = false

/**
 * Priorities of requests that have not come yet: more than a client can have on its way is an attempt to fill
 * our memory.
 */
const MAX_EARLY_PRIORITIES = 256

/**
 * Reads request streams: frames, sections and contents, and what they mean in each state of a message (RFC
 * 9114 4.1).
 */
export class InboundMessages {
  readonly #core: Http3SessionCore
  readonly #stalls = new StallMeter()
  /**
   * Where the bytes end that are being taken apart, to tell whether a section is the last thing of its
   * stream.
   */
  #readBuffer: Buffer | undefined
  #readEnd = 0
  /**
   * Small frames of the read that is being taken apart, and whose they are. Nothing waits here while a
   * handler is called.
   */
  readonly #pieces = new SmallPieces(chunk => this.#deliver(chunk))
  #piecesOf: RequestStream | undefined
  /** Priorities that came before their requests (RFC 9218 7). */
  readonly #earlyPriorities = new Map<number, string>()

  constructor(core: Http3SessionCore) {
    this.#core = core
  }

  onTurn(arrivedBytes: number, now: number): void {
    this.#stalls.onTurn(arrivedBytes, now)
  }

  /** Reads what there is, as far as the stream is not held. Throws Http3ConnectionFault. */
  read(stream: RequestStream): void {
    // A reader that pauses and resumes within its own call is served by the loop that called it.
    if (stream.isReading || stream.isOver) return
    stream.isReading = true
    try {
      if (isSharedBufferBusy) this.#readInto(stream, Buffer.allocUnsafe(READ_BYTES))
      else {
        isSharedBufferBusy = true
        try {
          this.#readInto(stream, sharedBuffer)
        } finally {
          isSharedBufferBusy = false
        }
      }
    } catch (error) {
      if (!(error instanceof Http3StreamFault)) throw error
      this.#core.onStreamFault(stream, error)
    } finally {
      stream.isReading = false
    }
  }

  /** The reader has woken. */
  resume(stream: RequestStream): void {
    const core = this.#core
    if (core.isEnded) return
    try {
      this.read(stream)
    } catch (error) {
      core.fail(error)
    }
    core.settle()
    core.reportOutput() // what was read is credit for the peer
  }

  /** QPACK has what the section of the stream was waiting for. Throws Http3ConnectionFault. */
  unblock(stream: RequestStream): void {
    const section = stream.blockedSection
    if (section === undefined) return
    stream.blockedSection = undefined
    try {
      this.onSection(stream, section, 0, section.length)
    } catch (error) {
      if (!(error instanceof Http3StreamFault)) throw error
      this.#core.onStreamFault(stream, error)
      return
    }
    this.read(stream)
  }

  /**
   * The connection is gone. An answer that had come whole is whole, though its reader sleeps: it gets the
   * rest now, as pause() allows (see ExchangeHandler.onResponseData).
   */
  deliverWhole(): void {
    const { role, table } = this.#core
    if (role === 'client') for (const stream of table.all()) this.#deliverWhole(stream)
  }

  #deliverWhole(stream: RequestStream): void {
    if (stream.isReading || stream.blockedSection !== undefined) return
    const chunks: Buffer[] = stream.rest === undefined ? [] : [stream.rest]
    while (!stream.hasReadEnd) {
      const buffer = Buffer.allocUnsafe(READ_BYTES)
      const read = this.#core.quic.read(stream.id, buffer)
      if (read === undefined) return
      chunks.push(buffer.subarray(0, read[0]))
      stream.hasReadEnd = read[1]
    }
    stream.rest = chunks.length === 0 ? undefined : Buffer.concat(chunks)
    stream.isForced = true
    try {
      this.read(stream)
    } catch (error) {
      // What would end the connection finds it over: the stream is notified with the others.
      if (!(error instanceof Http3ConnectionFault)) throw error
    }
  }

  // What the frame parser of a stream reports

  onFrame(stream: RequestStream, type: number, length: number): FrameTreatment {
    const core = this.#core
    const verdict = judgeOnRequestStream(type, stream.readState, core.role)
    if (verdict === 'ignore') {
      core.guard.count('maxIgnoredFramesPerSecond', core.now)
      return 'skip'
    }
    if (verdict !== 'take') {
      throw new Http3ConnectionFault(verdict, `${frameName(type)} on a request stream (${stream.readState})`)
    }
    if (type === DATA) {
      this.#countContent(stream, length)
      return 'deliver'
    }
    if (length > core.options.maxHeaderBytes) throw core.reader.messages.tooLarge()
    return 'gather'
  }

  onPayload(stream: RequestStream, buffer: Buffer, start: number, end: number): void {
    this.#piecesOf = stream
    this.#pieces.add(buffer, start, end, stream.isFrameSmall)
  }

  #deliver(chunk: Buffer): void {
    const stream = this.#piecesOf
    if (stream !== undefined && !stream.isOver) stream.events.onData(chunk)
  }

  onSection(stream: RequestStream, buffer: Buffer, start: number, end: number): void {
    this.#pieces.flush()
    const { reader } = this.#core
    let block: ReturnType<typeof reader.decoder.decode>
    try {
      block = reader.decoder.decode(stream.id, buffer, start, end)
    } catch (error) {
      if (error instanceof QpackError) throw qpackFault(error)
      throw error
    }
    if (block === 'blocked') {
      stream.blockedSection = Buffer.from(buffer.subarray(start, end))
      return
    }
    if (stream.readState === 'body') {
      stream.trailers = reader.messages.trailers(block)
      stream.readState = 'trailers'
    } else if (this.#core.role === 'client') this.#receiveResponse(stream, reader.messages.response(block))
    else {
      const isLast = stream.hasReadEnd && buffer === this.#readBuffer && end === this.#readEnd
      this.#receiveRequest(stream, reader.messages.request(block), isLast)
    }
  }

  #readInto(stream: RequestStream, buffer: Buffer): void {
    const { quic, now } = this.#core
    while (!stream.isHeld) {
      const { rest } = stream
      if (rest !== undefined) {
        stream.rest = undefined
        this.#takeApart(stream, rest, rest.length)
      } else if (stream.hasReadEnd) {
        this.#receiveEnd(stream)
        return
      } else {
        const read = quic.read(stream.id, buffer)
        if (read === undefined) return
        const [bytes, isEnd] = read
        stream.hasReadEnd = isEnd
        this.#stalls.onRead(stream, bytes, now)
        if (bytes > 0) this.#takeApart(stream, buffer, bytes)
        // Less than there was room for is all that there was: to ask again would cost a crossing.
        if (bytes < buffer.length && !isEnd) return
      }
    }
  }

  #takeApart(stream: RequestStream, buffer: Buffer, end: number): void {
    const outerBuffer = this.#readBuffer
    const outerEnd = this.#readEnd
    this.#readBuffer = buffer
    this.#readEnd = end
    let at: number
    try {
      at = stream.parser.receive(buffer, 0, end)
    } finally {
      // What came ahead of a fault is handed on ahead of it.
      this.#pieces.flush()
      this.#readBuffer = outerBuffer
      this.#readEnd = outerEnd
    }
    if (at < end && !stream.isOver) {
      const rest = buffer.subarray(at, end)
      stream.rest = buffer === sharedBuffer ? Buffer.from(rest) : rest
    }
  }

  #receiveResponse(stream: RequestStream, head: ResponseHead): void {
    const { status, contentLength } = head
    if (status >= 200) {
      const isTunnel = stream.isTunnel && status < 300
      // What was no tunnel in the end has a body like any other.
      stream.isTunnel = isTunnel
      stream.readState = isTunnel ? 'tunnel' : 'body'
      if (stream.isHead || status === 204 || status === 304) stream.contentLeft = 0
      else if (!isTunnel && contentLength !== undefined) stream.contentLeft = contentLength
    }
    stream.events.onResponse(head)
  }

  #receiveRequest(stream: RequestStream, head: RequestHead, isLast: boolean): void {
    const core = this.#core
    stream.isTunnel = head.method === 'CONNECT'
    stream.readState = stream.isTunnel ? 'tunnel' : 'body'
    stream.contentLeft = head.contentLength ?? UNKNOWN_LENGTH
    if (isLast && stream.contentLeft > 0) throw incomplete()
    stream.hasReceivedEnd = isLast
    // RFC 9218 7: what a PRIORITY_UPDATE says outdoes the field.
    const priority = this.#earlyPriorities.get(stream.id) ?? headerValue(head.headers, 'priority')
    if (priority !== undefined) {
      this.#earlyPriorities.delete(stream.id)
      this.#prioritize(stream, priority)
    }
    stream.events = core.events.onRequest(stream, this.#admitSession(stream, head), isLast)
  }

  /** WebTransport has two names, of which handlers know one; and a client may have so many sessions. */
  #admitSession(stream: RequestStream, head: RequestHead): RequestHead {
    const { webTransport } = this.#core
    const isSession = head.protocol === 'webtransport' || head.protocol === 'webtransport-h3'
    if (webTransport === undefined || !isSession) return head
    if (!webTransport.admit(stream.id)) {
      throw new Http3StreamFault('H3_REQUEST_REJECTED', 'the client has all the sessions that it may have')
    }
    return { ...head, protocol: 'webtransport' }
  }

  /** PRIORITY_UPDATE. `isUnused`: no request has come on that stream. */
  reprioritize(streamId: number, priority: string, isUnused: boolean): void {
    const stream = this.#core.table.get(streamId)
    if (stream !== undefined) this.#prioritize(stream, priority)
    else if (isUnused && this.#earlyPriorities.size < MAX_EARLY_PRIORITIES)
      this.#earlyPriorities.set(streamId, priority)
  }

  #prioritize(stream: RequestStream, priority: string): void {
    this.#core.sending.reprioritize(stream, parsePriority(priority))
    this.#core.quic.prioritize(stream.id, stream.priority.urgency, stream.priority.incremental)
  }

  /** A DATA frame of so many bytes begins. */
  #countContent(stream: RequestStream, length: number): void {
    const core = this.#core
    if (length === 0) {
      // One is how some end a message, ourselves among them; rows of them are nobody's.
      if (stream.hasEmptyFrame) core.guard.count('maxEmptyFramesPerSecond', core.now)
      stream.hasEmptyFrame = true
      return
    }
    core.guard.receiveContent(length, stream.hasContent, core.now)
    stream.hasContent = true
    stream.isFrameSmall = length < SMALL_PIECE_BYTES
    if (stream.contentLeft === UNKNOWN_LENGTH) return
    if (length > stream.contentLeft) {
      throw new Http3StreamFault(
        'H3_MESSAGE_ERROR',
        'more DATA than content-length, or the kind of message, allows',
      )
    }
    stream.contentLeft -= length
  }

  #receiveEnd(stream: RequestStream): void {
    const core = this.#core
    if (stream.hasReceivedEnd) return
    if (stream.parser.isWithinFrame) {
      throw new Http3ConnectionFault('H3_FRAME_ERROR', 'a stream ended within a frame') // RFC 9114 7.1
    }
    if (stream.readState === 'head') {
      const code = core.role === 'server' ? 'H3_REQUEST_INCOMPLETE' : 'H3_MESSAGE_ERROR'
      throw new Http3StreamFault(code, 'the stream ended before the head')
    }
    if (stream.contentLeft > 0 && !stream.isHead) throw incomplete()
    stream.hasReceivedEnd = true
    const { events, trailers } = stream
    if (stream.hasSentEnd) core.finish(stream)
    events.onEnd(trailers)
  }
}

function incomplete(): Http3StreamFault {
  return new Http3StreamFault('H3_MESSAGE_ERROR', 'less DATA than content-length says')
}

/** What the meter knows of a stream. */
export interface Measured {
  stallMs: number
  /** When bytes of it were read last; when it began, before that. */
  lastReadAt: number
  /** Its reader slept since then. */
  hasSlept: boolean
}

/**
 * What a datagram has that no stream sees: packet header, frame header, tag. About 40 of 1200 to 1350 bytes.
 */
const DELIVERED_SHARE = 0.96

/**
 * Estimates for how long data of a stream sat behind a gap, from outside of QUIC. Of what arrives in a turn
 * all that is in order is read in that turn; so when a stream yields more than arrived in the turn, the rest
 * had come before and waited for the gap to be filled. It waited since bytes first came that nobody could
 * read, or since the stream was last in order, whichever is later.
 *
 * It is a lower bound: what had come of a stream that stood still, but is less than what arrives in the turn
 * that fills the gap, is not seen.
 */
export class StallMeter {
  /** Bytes that have come and that no stream has yielded. */
  #backlogBytes = 0
  /** When there were none of those last. */
  #backlogSince = 0
  #arrivedBytes = 0
  #deliveredBytes = 0

  /** A turn begins, in which so many bytes of datagrams arrived. */
  onTurn(arrivedBytes: number, now: number): void {
    this.#backlogBytes = Math.max(
      0,
      this.#backlogBytes + this.#arrivedBytes * DELIVERED_SHARE - this.#deliveredBytes,
    )
    // Less than a datagram may be acknowledgements and the like.
    if (this.#backlogBytes < MIN_BACKLOG_BYTES) {
      this.#backlogBytes = 0
      this.#backlogSince = now
    }
    this.#arrivedBytes = arrivedBytes
    this.#deliveredBytes = 0
  }

  /** A stream yielded bytes in this turn. */
  onRead(stream: Measured, bytes: number, now: number): void {
    this.#deliveredBytes += bytes
    if (!stream.hasSlept && bytes > this.#arrivedBytes) {
      const since = Math.max(this.#backlogSince, stream.lastReadAt)
      if (since < now) stream.stallMs += now - since
    }
    stream.hasSlept = false
    stream.lastReadAt = now
  }
}

const MIN_BACKLOG_BYTES = 1200
