import { Http2ConnectionFault } from './error-codes.ts'
import {
  ACK,
  CONTINUATION,
  DATA,
  FRAME_HEADER_BYTES,
  HEADERS,
  judgeFrameHeader,
  PADDED,
  SETTINGS,
} from './frame-table.ts'

/** Is notified of frames in the order of the wire. All memory is borrowed until the call returns. */
export interface FrameReceiver {
  /** A frame that is not DATA, with its whole payload buffer[start, end). */
  onFrame(type: number, flags: number, streamId: number, buffer: Buffer, start: number, end: number): void
  /**
   * A DATA frame begins. `bytes` is its payload with padding, as flow control counts it; `paddingBytes` of
   * that is padding.
   */
  onDataStart(streamId: number, flags: number, bytes: number, paddingBytes: number): void
  /** Some of its data. */
  onDataChunk(buffer: Buffer, start: number, end: number): void
  onDataEnd(): void
}

/** RFC 9113 3.4: what a client sends first. */
export const CLIENT_PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
const PREFACE = Buffer.from(CLIENT_PREFACE, 'latin1')

/**
 * Cuts what arrives into frames. DATA is passed on as it comes and is never gathered; other frames are read
 * where they lie, and copied only when a read ends within one: `maxFrameBytes` is the most that it holds.
 *
 * preface  the client's preface is awaited (server role). Valid transitions: header
 * header   the 9 bytes of a frame header. Valid transitions: payload, padLength, data
 * payload  the rest of a frame that began in an earlier read. Valid transitions: header
 * padLength, data, padding  the parts of a DATA frame, in this order
 */
export class FrameReader {
  readonly #receiver: FrameReceiver
  readonly #maxFrameBytes: number
  #state: 'preface' | 'header' | 'payload' | 'padLength' | 'data' | 'padding'
  #isFirst = true
  /** A field block is open on this stream: only its CONTINUATION may follow (RFC 9113 6.10). 0: none. */
  #continuationOf = 0

  #type = 0
  #flags = 0
  #streamId = 0
  #length = 0
  /** Bytes of the current part that are still to come; of the preface and of the header: that were read. */
  #left = 0
  #paddingLeft = 0
  readonly #header = Buffer.alloc(FRAME_HEADER_BYTES)
  #headerBytes = 0
  #pending: Buffer | undefined

  constructor(receiver: FrameReceiver, maxFrameBytes: number, expectsPreface: boolean) {
    this.#receiver = receiver
    this.#maxFrameBytes = maxFrameBytes
    this.#state = expectsPreface ? 'preface' : 'header'
  }

  get isWithinBlock(): boolean {
    return this.#continuationOf !== 0
  }

  /** A field block is open on this stream; 0: on none. */
  expectContinuation(streamId: number): void {
    this.#continuationOf = streamId
  }

  /** Throws Http2ConnectionFault, and what the receiver throws: nothing more may be given to it then. */
  receive(buffer: Buffer, start: number, end: number): void {
    let at = start
    while (at < end || this.#isEmptyPart()) {
      switch (this.#state) {
        case 'header':
          at = this.#readHeader(buffer, at, end)
          break
        case 'data':
          at = this.#readData(buffer, at, end)
          break
        case 'payload':
          at = this.#readPayload(buffer, at, end)
          break
        case 'padLength':
          this.#startPadded(buffer[at] as number) // at < end: a pad length is no empty part
          at += 1
          break
        case 'padding': {
          const taken = Math.min(this.#paddingLeft, end - at)
          this.#paddingLeft -= taken
          at += taken
          if (this.#paddingLeft === 0) this.#endData()
          break
        }
        case 'preface':
          at = this.#readPreface(buffer, at, end)
          break
      }
    }
  }

  /** A part of no bytes is over at once, also when the read ends there. */
  #isEmptyPart(): boolean {
    return (
      (this.#state === 'data' && this.#left === 0) || (this.#state === 'padding' && this.#paddingLeft === 0)
    )
  }

  #readPreface(buffer: Buffer, start: number, end: number): number {
    let at = start
    while (at < end && this.#left < PREFACE.length) {
      if (buffer[at] !== PREFACE[this.#left])
        throw new Http2ConnectionFault('PROTOCOL_ERROR', 'the client preface is not that of HTTP/2')
      at += 1
      this.#left += 1
    }
    if (this.#left === PREFACE.length) this.#state = 'header'
    return at
  }

  #readHeader(buffer: Buffer, start: number, end: number): number {
    let header = buffer
    let at = start
    let next = start + FRAME_HEADER_BYTES
    if (this.#headerBytes > 0 || next > end) {
      const taken = Math.min(FRAME_HEADER_BYTES - this.#headerBytes, end - start)
      buffer.copy(this.#header, this.#headerBytes, start, start + taken)
      this.#headerBytes += taken
      if (this.#headerBytes < FRAME_HEADER_BYTES) return end
      this.#headerBytes = 0
      header = this.#header
      at = 0
      next = start + taken
    }
    // Nine bytes are there.
    const length =
      ((header[at] as number) << 16) | ((header[at + 1] as number) << 8) | (header[at + 2] as number)
    const type = header[at + 3] as number
    const flags = header[at + 4] as number
    // The reserved bit must be ignored (RFC 9113 4.1).
    const streamId =
      (((header[at + 5] as number) & 0x7f) << 24) |
      ((header[at + 6] as number) << 16) |
      ((header[at + 7] as number) << 8) |
      (header[at + 8] as number)
    this.#check(type, flags, streamId, length)
    if (type === DATA) {
      this.#streamId = streamId
      this.#flags = flags
      this.#length = length
      if ((flags & PADDED) === 0) {
        this.#paddingLeft = 0
        this.#startData(length, 0)
      } else if (length === 0)
        throw new Http2ConnectionFault('FRAME_SIZE_ERROR', 'padded DATA without a pad length')
      else this.#state = 'padLength'
      return next
    }
    if (next + length <= end) {
      this.#receiver.onFrame(type, flags, streamId, buffer, next, next + length)
      return next + length
    }
    this.#type = type
    this.#flags = flags
    this.#streamId = streamId
    this.#pending = Buffer.allocUnsafe(length)
    this.#left = length
    this.#state = 'payload'
    return next
  }

  #check(type: number, flags: number, streamId: number, length: number): void {
    if (length > this.#maxFrameBytes) {
      const message = `a frame of ${length} bytes where ${this.#maxFrameBytes} were agreed on`
      throw new Http2ConnectionFault('FRAME_SIZE_ERROR', message)
    }
    if (this.#isFirst) {
      // The preface is the peer's own SETTINGS, not its answer to ours (RFC 9113 3.4).
      if (type !== SETTINGS || (flags & ACK) !== 0)
        throw new Http2ConnectionFault('PROTOCOL_ERROR', 'the first frame of the peer is no SETTINGS')
      this.#isFirst = false
    }
    if (this.#continuationOf !== 0) {
      if (type !== CONTINUATION || streamId !== this.#continuationOf)
        throw new Http2ConnectionFault('PROTOCOL_ERROR', 'a field block was interrupted')
    } else if (type === CONTINUATION)
      throw new Http2ConnectionFault('PROTOCOL_ERROR', 'CONTINUATION without a field block')
    // The most frequent ones need no table.
    if ((type === DATA || type === HEADERS) && streamId !== 0) return
    const fault = judgeFrameHeader(type, streamId, length)
    if (fault !== undefined) throw new Http2ConnectionFault(fault.code, fault.message)
  }

  #readPayload(buffer: Buffer, start: number, end: number): number {
    const pending = this.#pending as Buffer // in this state there is one
    const taken = Math.min(this.#left, end - start)
    buffer.copy(pending, pending.length - this.#left, start, start + taken)
    this.#left -= taken
    if (this.#left === 0) {
      this.#pending = undefined
      this.#state = 'header'
      this.#receiver.onFrame(this.#type, this.#flags, this.#streamId, pending, 0, pending.length)
    }
    return start + taken
  }

  #startPadded(padLength: number): void {
    const left = this.#length - 1
    // RFC 9113 6.1
    if (padLength > left || padLength >= this.#length)
      throw new Http2ConnectionFault('PROTOCOL_ERROR', 'more padding than payload in DATA')
    this.#paddingLeft = padLength
    this.#startData(left - padLength, padLength + 1)
  }

  #startData(dataBytes: number, paddingBytes: number): void {
    this.#left = dataBytes
    this.#state = 'data'
    this.#receiver.onDataStart(this.#streamId, this.#flags, this.#length, paddingBytes)
  }

  #readData(buffer: Buffer, start: number, end: number): number {
    const taken = Math.min(this.#left, end - start)
    this.#left -= taken
    if (this.#left === 0) {
      if (this.#paddingLeft > 0) this.#state = 'padding'
      else this.#state = 'header'
    }
    if (taken > 0) this.#receiver.onDataChunk(buffer, start, start + taken)
    if (this.#left === 0 && this.#paddingLeft === 0) this.#receiver.onDataEnd()
    return start + taken
  }

  #endData(): void {
    this.#state = 'header'
    this.#receiver.onDataEnd()
  }
}
