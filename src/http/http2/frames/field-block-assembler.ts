import { Http2ConnectionFault } from './error-codes.ts'
import { END_HEADERS, HAS_PRIORITY, PADDED } from './frame-table.ts'

/** One whole field block buffer[start, end), borrowed. */
export interface FieldBlockReceiver {
  onFieldBlock(streamId: number, flags: number, buffer: Buffer, start: number, end: number): void
}

/**
 * Puts HEADERS and its CONTINUATION frames together. A block that comes in one frame, as nearly all do, is
 * read where it lies. That no other frame comes in between is the frame reader's to see.
 */
export class FieldBlockAssembler {
  readonly #receiver: FieldBlockReceiver
  readonly #maxBlockBytes: number
  readonly #maxContinuations: number
  #streamId = 0
  #flags = 0
  #pieces: Buffer[] = []
  #bytes = 0

  constructor(receiver: FieldBlockReceiver, maxBlockBytes: number, maxContinuations: number) {
    this.#receiver = receiver
    this.#maxBlockBytes = maxBlockBytes
    this.#maxContinuations = maxContinuations
  }

  /** The stream of a block that is not complete; 0: none. */
  get openStreamId(): number {
    return this.#streamId
  }

  receiveHeaders(flags: number, streamId: number, buffer: Buffer, start: number, end: number): void {
    let from = start
    let to = end
    if ((flags & (PADDED | HAS_PRIORITY)) !== 0) {
      const needed = ((flags & PADDED) === 0 ? 0 : 1) + ((flags & HAS_PRIORITY) === 0 ? 0 : 5)
      if (end - start < needed)
        throw new Http2ConnectionFault('FRAME_SIZE_ERROR', 'HEADERS shorter than its flags say')
      from += needed
      if ((flags & PADDED) !== 0) to -= buffer[start] as number // needed >= 1, so the byte is there
      if (to < from) throw new Http2ConnectionFault('PROTOCOL_ERROR', 'more padding than payload in HEADERS')
    }
    if ((flags & END_HEADERS) !== 0) {
      this.#receiver.onFieldBlock(streamId, flags, buffer, from, to)
      return
    }
    this.#streamId = streamId
    this.#flags = flags
    this.#add(buffer, from, to)
  }

  receiveContinuation(flags: number, buffer: Buffer, start: number, end: number): void {
    if (this.#maxContinuations > 0 && this.#pieces.length > this.#maxContinuations) {
      throw new Http2ConnectionFault(
        'ENHANCE_YOUR_CALM',
        `a field block in more than maxContinuations (${this.#maxContinuations}) frames`,
        'maxContinuations',
      )
    }
    this.#add(buffer, start, end)
    if ((flags & END_HEADERS) === 0) return
    const streamId = this.#streamId
    const block = Buffer.concat(this.#pieces)
    this.#streamId = 0
    this.#pieces = []
    this.#bytes = 0
    this.#receiver.onFieldBlock(streamId, this.#flags, block, 0, block.length)
  }

  #add(buffer: Buffer, start: number, end: number): void {
    this.#bytes += end - start
    if (this.#bytes > this.#maxBlockBytes) {
      throw new Http2ConnectionFault(
        'ENHANCE_YOUR_CALM',
        `a HEADERS block of more than ${this.#maxBlockBytes} bytes, compressed`,
        'maxHeaderBytes',
      )
    }
    this.#pieces.push(Buffer.from(buffer.subarray(start, end)))
  }
}
