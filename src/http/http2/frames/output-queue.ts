import { DATA, END_STREAM, FRAME_HEADER_BYTES, WINDOW_UPDATE } from './frame-table.ts'

/** The first block; what is written between two turns of a quiet connection fits. */
const MIN_BLOCK_BYTES = 4096
/** Blocks grow up to this while one turn fills more than one. */
const MAX_BLOCK_BYTES = 262_144

/**
 * The frames that wait to be written. They are put together in one of two blocks, which change places: while
 * one is being written the other is filled, so that a connection allocates nothing while it runs.
 *
 * Positions count the bytes that were ever put in, so that whoever remembers the position of a frame can tell
 * whether it was taken.
 */
export class OutputQueue {
  #block: Buffer = Buffer.allocUnsafeSlow(MIN_BLOCK_BYTES)
  #spare: Buffer | undefined
  #inFlightBlock: Buffer | undefined
  /** Of the block, what is not in `#sealed` yet. */
  #start = 0
  #end = 0
  /** The position of the first byte of the block. */
  #blockPosition = 0
  #sealed: Buffer[] = []
  #position = 0
  #takenPosition = 0
  #isInFlight = false
  #inFlightBytes = 0

  /** Bytes that nobody has taken. */
  get bytes(): number {
    return this.#position - this.#takenPosition
  }

  /** With what was taken and is not released yet. */
  get unsentBytes(): number {
    return this.#position - this.#takenPosition + this.#inFlightBytes
  }

  get position(): number {
    return this.#position
  }

  /** Whether what stands at this position was never taken. */
  isUntaken(position: number): boolean {
    return position >= this.#takenPosition
  }

  /** A frame header and room for `payloadBytes` behind it. Answers where the payload begins in `block`. */
  startFrame(payloadBytes: number, type: number, flags: number, streamId: number): number {
    const at = this.#room(FRAME_HEADER_BYTES + payloadBytes)
    const block = this.#block
    block[at] = payloadBytes >>> 16
    block[at + 1] = payloadBytes >>> 8
    block[at + 2] = payloadBytes
    block[at + 3] = type
    block[at + 4] = flags
    block[at + 5] = streamId >>> 24
    block[at + 6] = streamId >>> 16
    block[at + 7] = streamId >>> 8
    block[at + 8] = streamId
    return at + FRAME_HEADER_BYTES
  }

  /** Where the payload of the last startFrame goes. */
  get block(): Buffer {
    return this.#block
  }

  /** Bytes that are no frame: the preface. */
  putBytes(bytes: Uint8Array): void {
    const at = this.#room(bytes.length)
    this.#block.set(bytes, at)
  }

  putFrame(type: number, flags: number, streamId: number, payload: Uint8Array): void {
    const at = this.startFrame(payload.length, type, flags, streamId)
    this.#block.set(payload, at)
  }

  /**
   * Copies chunk[start, end) behind a header: bytes that leave in one write with others are cheaper than a
   * piece of their own.
   */
  putData(streamId: number, flags: number, chunk: Uint8Array, start: number, end: number): void {
    const at = this.startFrame(end - start, DATA, flags, streamId)
    if (start === 0 && end === chunk.length) this.#block.set(chunk, at)
    else this.#block.set(chunk.subarray(start, end), at)
  }

  putWindowUpdate(streamId: number, increment: number): void {
    const at = this.startFrame(4, WINDOW_UPDATE, 0, streamId)
    this.#block.writeUInt32BE(increment, at)
  }

  /** Sets END_STREAM on the frame whose header stands at this position, if it can still be changed. */
  endStreamAt(position: number): boolean {
    const offset = position - this.#blockPosition
    if (position < this.#takenPosition || offset < this.#start || offset >= this.#end) return false
    const at = offset + 4
    this.#block[at] = (this.#block[at] as number) | END_STREAM // offset < end, behind a whole header
    return true
  }

  /** Everything that waits, in order. Only when nothing is in flight. */
  take(): readonly Buffer[] {
    this.#seal()
    const taken = this.#sealed
    this.#sealed = []
    this.#inFlightBytes = this.#position - this.#takenPosition
    this.#takenPosition = this.#position
    this.#isInFlight = true
    this.#inFlightBlock = this.#block
    const wanted = this.#block.length
    const spare = this.#spare
    this.#spare = undefined
    this.#block = spare !== undefined && spare.length >= wanted ? spare : Buffer.allocUnsafeSlow(wanted)
    this.#start = this.#end = 0
    this.#blockPosition = this.#position
    return taken
  }

  /** What was taken has left: its memory may be used again. */
  release(): void {
    if (!this.#isInFlight) return
    this.#isInFlight = false
    this.#inFlightBytes = 0
    this.#spare = this.#inFlightBlock
    this.#inFlightBlock = undefined
  }

  /**
   * Takes back what stands at this position, which nobody has taken, and all that follows it: it never
   * leaves.
   */
  dropFrom(position: number): void {
    let excess = this.#position - position
    const inBlock = Math.min(excess, this.#end - this.#start)
    this.#end -= inBlock
    excess -= inBlock
    while (excess > 0) {
      const last = this.#sealed.pop()
      if (last === undefined) throw new Error(`position ${position} was taken`)
      if (last.length > excess) this.#sealed.push(last.subarray(0, last.length - excess))
      excess -= Math.min(excess, last.length)
    }
    this.#position = position
    this.#blockPosition = position - this.#end
  }

  #room(bytes: number): number {
    if (this.#end + bytes > this.#block.length) this.#nextBlock(bytes)
    const at = this.#end
    this.#end = at + bytes
    this.#position += bytes
    return at
  }

  #nextBlock(bytes: number): void {
    this.#seal()
    const size = Math.max(Math.min(this.#block.length * 2, MAX_BLOCK_BYTES), bytes)
    this.#block = Buffer.allocUnsafeSlow(size)
    this.#start = this.#end = 0
    this.#blockPosition = this.#position
  }

  #seal(): void {
    if (this.#end > this.#start) this.#sealed.push(this.#block.subarray(this.#start, this.#end))
    this.#start = this.#end
  }
}
