import { encodeVarint, readVarint, type VarintCursor, varintBytes } from './varint.ts'

/** Capsules (RFC 9297 3.2): a type, a length and a payload, on the stream of a tunnel of any HTTP. */

const MAX_VARINT_BYTES = 8
const MAX_HEADER_BYTES = 2 * MAX_VARINT_BYTES
/** What is set aside for a payload before any of it has come: a length alone must cost nothing. */
const FIRST_ROOM_BYTES = 2_048

const NO_BYTES = Buffer.alloc(0)

/** The peer broke a rule of capsules: its tunnel ends. */
export class CapsuleFault extends Error {}

/**
 * Takes capsules apart, in whatever pieces they come. It keeps no more than one payload of a type that is
 * known, as far as it has come; whatever else there is, however long, passes by.
 */
export class CapsuleReader {
  readonly #maxBytes: ReadonlyMap<number, number>
  readonly #onCapsule: (type: number, payload: Buffer) => void
  /** A header, or a payload that is gathered, as far as it has come. */
  #kept: Buffer = NO_BYTES
  #keptBytes = 0
  /** Undefined: a header comes next. */
  #type: number | undefined
  /** Of the payload, what is still to come. */
  #left = 0
  #isSkipping = false

  /**
   * `maxBytes`: how long the payload of each type that is known may be; what is not in here is read over. The
   * payload that `onCapsule` gets is borrowed, until it returns.
   */
  constructor(maxBytes: ReadonlyMap<number, number>, onCapsule: (type: number, payload: Buffer) => void) {
    this.#maxBytes = maxBytes
    this.#onCapsule = onCapsule
  }

  /** What came so far ends within a capsule. */
  get isWithinCapsule(): boolean {
    return this.#type !== undefined || this.#keptBytes > 0
  }

  /** Throws CapsuleFault, and must not be called after it. */
  receive(bytes: Buffer): void {
    let at = 0
    while (at < bytes.length) {
      at = this.#type === undefined ? this.#readHeader(bytes, at) : this.#readPayload(bytes, at)
    }
  }

  #readHeader(bytes: Buffer, start: number): number {
    const before = this.#keptBytes
    const source = before === 0 ? bytes : this.#gatherHeader(bytes, start)
    const end = before === 0 ? bytes.length : Math.min(MAX_HEADER_BYTES, before + bytes.length - start)
    const cursor: VarintCursor = { buffer: source, at: before === 0 ? start : 0, end }
    const type = readVarint(cursor)
    const length = type === undefined ? undefined : readVarint(cursor)
    if (type !== undefined && length !== undefined) {
      this.#begin(type, length)
      return before === 0 ? cursor.at : start + cursor.at - before
    }
    if (before === 0) this.#gatherHeader(bytes, start)
    this.#keptBytes = before + bytes.length - start
    return bytes.length
  }

  /** Behind what was kept of it. */
  #gatherHeader(bytes: Buffer, start: number): Buffer {
    if (this.#keptBytes === 0) this.#kept = Buffer.allocUnsafe(MAX_HEADER_BYTES)
    bytes.copy(this.#kept, this.#keptBytes, start, start + MAX_HEADER_BYTES - this.#keptBytes)
    return this.#kept
  }

  #begin(type: number, length: number): void {
    const most = this.#maxBytes.get(type)
    if (most !== undefined && length > most) {
      throw new CapsuleFault(`capsule 0x${type.toString(16)} of ${length} bytes: it has at most ${most}`)
    }
    this.#keptBytes = 0
    this.#kept = NO_BYTES
    this.#type = type
    this.#left = length
    this.#isSkipping = most === undefined
    if (length === 0) this.#end(NO_BYTES)
  }

  #readPayload(bytes: Buffer, start: number): number {
    const end = Math.min(bytes.length, start + this.#left)
    const isWhole = this.#keptBytes === 0 && end - start === this.#left
    if (!this.#isSkipping && !isWhole) this.#gather(bytes, start, end)
    this.#left -= end - start
    if (this.#left === 0)
      this.#end(isWhole ? bytes.subarray(start, end) : this.#kept.subarray(0, this.#keptBytes))
    return end
  }

  /** The room doubles, so that a payload that comes byte by byte is copied twice, not each time. */
  #gather(bytes: Buffer, start: number, end: number): void {
    const needed = this.#keptBytes + end - start
    if (needed > this.#kept.length) {
      const whole = this.#keptBytes + this.#left
      const room = Math.min(whole, Math.max(needed, FIRST_ROOM_BYTES, 2 * this.#kept.length))
      const larger = Buffer.allocUnsafe(room)
      this.#kept.copy(larger, 0, 0, this.#keptBytes)
      this.#kept = larger
    }
    bytes.copy(this.#kept, this.#keptBytes, start, end)
    this.#keptBytes = needed
  }

  #end(payload: Buffer): void {
    const type = this.#type ?? 0
    this.#type = undefined
    this.#kept = NO_BYTES
    this.#keptBytes = 0
    if (!this.#isSkipping) this.#onCapsule(type, payload)
  }
}

/** The bytes of a capsule, in memory of its own. */
export function encodeCapsuleFrame(type: number, payload: Uint8Array): Buffer {
  const headerBytes = varintBytes(type) + varintBytes(payload.length)
  const bytes = Buffer.allocUnsafe(headerBytes + payload.length)
  encodeVarint(bytes, encodeVarint(bytes, 0, type), payload.length)
  bytes.set(payload, headerBytes)
  return bytes
}
