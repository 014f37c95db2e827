import { DynamicTable, entryBytes } from '../field-compression/dynamic-table.ts'
import { type FieldBlock, HpackError } from '../field-compression/field-block.ts'
import { type FieldClass, fieldName, QPACK_STATIC_CLASSES } from '../field-compression/field-classes.ts'
import { cachedLiterals, FieldReader } from '../field-compression/field-reader.ts'
import { rememberNeverIndexed } from '../field-compression/never-indexed.ts'
import { QPACK_STATIC_NAMES, QPACK_STATIC_VALUES } from '../field-compression/static-tables.ts'
import { DecoderStreamWriter } from './qpack-decoder-stream.ts'
import { EncoderStreamReader } from './qpack-encoder-stream.ts'
import { QpackError, type QpackErrorKind } from './qpack-error.ts'
import { decodeRequiredCount, maxEntriesOf } from './qpack-required-count.ts'
import { SectionCache } from './qpack-section-cache.ts'

export interface QpackDecoderOptions {
  /** What we announce as SETTINGS_QPACK_MAX_TABLE_CAPACITY. */
  maxTableBytes: number
  /** What we announce as SETTINGS_QPACK_BLOCKED_STREAMS. */
  maxBlockedStreams: number
  /** Of one list, by the size of RFC 9114 4.2.2. */
  maxListBytes: number
  /** Of one list. */
  maxFields: number
}

// The first byte of a field line tells what it is (RFC 9204 4.5).
const INDEXED = 0x80
const LITERAL_WITH_NAME_REFERENCE = 0x40
const LITERAL_WITH_LITERAL_NAME = 0x20
const INDEXED_POST_BASE = 0x10
// And flags in it.
const INDEXED_IS_STATIC = 0x40
const NAME_IS_STATIC = 0x10
const NAME_REFERENCE_NEVER_INDEXED = 0x20
const LITERAL_NAME_NEVER_INDEXED = 0x10
const POST_BASE_NEVER_INDEXED = 0x08

const STATIC_COUNT = QPACK_STATIC_NAMES.length

/** RFC 9204 4.1.1. What is above 2^53 has lost its lowest bits, but nothing so large refers to anything. */
const MAX_INTEGER = 2 ** 62

const NONE: readonly number[] = Object.freeze([])

/**
 * Decodes the field sections that come in on one connection (RFC 9204), in any order of their streams.
 *
 * A section that needs insertions which are still on their way is 'blocked': its bytes stay with the caller,
 * and here only the stream's id and what it waits for is kept. What hostile input can cost is linear in its
 * length, as in HpackDecoder.
 */
export class QpackDecoder {
  readonly #options: QpackDecoderOptions
  readonly #maxEntries: number
  /** RFC 9204 3.2.3: without room until the peer's encoder says otherwise. */
  readonly #table = new DynamicTable(0)
  readonly #encoderStream: EncoderStreamReader
  readonly #decoderStream = new DecoderStreamWriter()
  readonly #cache = new SectionCache(this.#table)
  readonly #reader = new FieldReader(MAX_INTEGER)
  /** The Required Insert Counts of blocked sections by stream, in the order in which they came. */
  readonly #blocked = new Map<number, number>()
  /** No blocked section needs fewer insertions. */
  #leastRequired = Infinity

  constructor(options: QpackDecoderOptions) {
    this.#options = options
    this.#maxEntries = maxEntriesOf(options.maxTableBytes)
    this.#encoderStream = new EncoderStreamReader(this.#table, options.maxTableBytes)
  }

  /** Streams whose section waits for insertions. */
  get blockedStreams(): number {
    return this.#blocked.size
  }

  /** Entries in the dynamic table. */
  get tableEntries(): number {
    return this.#table.count
  }

  /**
   * What waits to be taken, in bytes. It grows with what the peer has us decode: whoever cannot send it must
   * stop to read.
   */
  get waitingBytes(): number {
    return this.#decoderStream.waitingBytes
  }

  /**
   * Reads bytes of the peer's encoder stream, in any pieces. Returns the streams whose section can be decoded
   * now, in the order in which they were blocked. Throws QpackError 'encoder-stream': the connection is lost.
   */
  receiveEncoderStream(buffer: Buffer, start: number, end: number): readonly number[] {
    try {
      this.#encoderStream.receive(buffer, start, end)
    } catch (error) {
      throw asQpackError(error, 'encoder-stream')
    }
    this.#cache.settle()
    return this.#table.inserted < this.#leastRequired ? NONE : this.#unblock()
  }

  /**
   * Decodes one whole field section `buffer[start, end)`.
   *
   * - 'blocked': insertions are missing. The caller keeps the bytes, and calls again when
   *   receiveEncoderStream() names the stream.
   * - 'too-large': the list is above `maxListBytes` or `maxFields`. What is behind that is not read: no table
   *   depends on it.
   *
   * Throws QpackError 'decompression': the connection is lost. So it is when more streams were blocked than
   * we announced.
   */
  decode(streamId: number, buffer: Buffer, start: number, end: number): FieldBlock | 'too-large' | 'blocked' {
    try {
      return this.#decode(streamId, buffer, start, end)
    } catch (error) {
      throw asQpackError(error, 'decompression')
    }
  }

  /**
   * The stream was reset, or nobody reads it any more (RFC 9204 2.2.2.2). Not for streams that were read to
   * their end.
   */
  cancel(streamId: number): void {
    this.#blocked.delete(streamId)
    // Without a table the encoder has nothing to let go of.
    if (this.#options.maxTableBytes > 0) this.#decoderStream.cancel(streamId)
  }

  /** What is to be sent on our decoder stream. The caller owns the bytes. */
  takeDecoderStream(): Buffer | undefined {
    return this.#decoderStream.take(this.#table.inserted)
  }

  /**
   * For tests: every string that outlives its section, first the table's: name, value, … from the newest
   * entry on. @internal
   */
  keptStrings(): string[] {
    return [...this.#table.contents(), ...this.#cache.contents(), ...cachedLiterals()]
  }

  #decode(
    streamId: number,
    buffer: Buffer,
    start: number,
    end: number,
  ): FieldBlock | 'too-large' | 'blocked' {
    const { inserted } = this.#table
    const reader = this.#reader
    reader.start(buffer, start, end)
    const required = decodeRequiredCount(reader.readInteger(0xff), this.#maxEntries, inserted)
    if (required > inserted) {
      reader.stop()
      return this.#block(streamId, required)
    }
    const block =
      this.#cache.find(buffer, start, end, required) ?? this.#readSection(required, buffer, start, end)
    reader.stop()
    if (required > 0) this.#decoderStream.acknowledge(streamId, required)
    return block
  }

  #block(streamId: number, required: number): 'blocked' {
    const { maxBlockedStreams } = this.#options
    if (this.#blocked.size >= maxBlockedStreams && !this.#blocked.has(streamId)) {
      throw new QpackError(
        'decompression',
        `more streams are blocked than the ${maxBlockedStreams} that may be`,
      )
    }
    this.#blocked.set(streamId, required)
    if (required < this.#leastRequired) this.#leastRequired = required
    return 'blocked'
  }

  #unblock(): readonly number[] {
    const { inserted } = this.#table
    const unblocked: number[] = []
    let least = Infinity
    for (const [streamId, required] of this.#blocked) {
      if (required <= inserted) unblocked.push(streamId)
      else if (required < least) least = required
    }
    for (const streamId of unblocked) this.#blocked.delete(streamId)
    this.#leastRequired = least
    return unblocked
  }

  /** Reads the Base and the field lines behind the Required Insert Count. */
  #readSection(required: number, buffer: Buffer, start: number, end: number): FieldBlock | 'too-large' {
    const { maxFields, maxListBytes } = this.#options
    const reader = this.#reader
    const table = this.#table
    const base = this.#readBase(required, buffer, end)
    const fields: string[] = []
    let isPrivate = false
    let oldest = Infinity
    let fieldCount = 0
    let bytes = 0
    while (reader.position < end) {
      const first = byteAt(buffer, reader.position)
      let name: string
      let value: string
      if (first >= INDEXED && (first & INDEXED_IS_STATIC) !== 0) {
        // Indexed field line (4.5.2), static
        const index = requireStatic(reader.readInteger(0x3f))
        name = QPACK_STATIC_NAMES[index] as string // index < STATIC_COUNT
        value = QPACK_STATIC_VALUES[index] as string // likewise
      } else if (first >= INDEXED || (first & 0xf0) === INDEXED_POST_BASE) {
        // Indexed field line, dynamic, or with post-base index (4.5.3)
        const number =
          first >= INDEXED ? base - 1 - reader.readInteger(0x3f) : base + reader.readInteger(0x0f)
        const index = this.#requireNumber(number, required)
        if (number < oldest) oldest = number
        name = table.nameAt(index)
        value = table.valueAt(index)
      } else {
        // Literal field line: with name reference (4.5.4), with literal name (4.5.6), with post-base name
        // reference (4.5.5)
        let fieldClass: FieldClass
        let isNeverIndexed: boolean
        if (first >= LITERAL_WITH_LITERAL_NAME && first < LITERAL_WITH_NAME_REFERENCE) {
          isNeverIndexed = (first & LITERAL_NAME_NEVER_INDEXED) !== 0
          const described = fieldName(reader.readString(true, 0x07))
          name = described.name
          fieldClass = described.fieldClass
        } else if (first >= LITERAL_WITH_NAME_REFERENCE && (first & NAME_IS_STATIC) !== 0) {
          isNeverIndexed = (first & NAME_REFERENCE_NEVER_INDEXED) !== 0
          const index = requireStatic(reader.readInteger(0x0f))
          name = QPACK_STATIC_NAMES[index] as string // index < STATIC_COUNT
          fieldClass = QPACK_STATIC_CLASSES[index] as FieldClass // likewise
        } else {
          const isPostBase = first < LITERAL_WITH_NAME_REFERENCE
          isNeverIndexed =
            (first & (isPostBase ? POST_BASE_NEVER_INDEXED : NAME_REFERENCE_NEVER_INDEXED)) !== 0
          const number = isPostBase ? base + reader.readInteger(0x07) : base - 1 - reader.readInteger(0x0f)
          const index = this.#requireNumber(number, required)
          if (number < oldest) oldest = number
          name = table.nameAt(index)
          fieldClass = fieldName(name).fieldClass
        }
        value = reader.readString(!isNeverIndexed && (fieldClass === 'stable' || fieldClass === 'adaptive'))
        if (fieldClass === 'secret') isPrivate = true
        else if (isNeverIndexed) {
          isPrivate = true
          rememberNeverIndexed(name, value)
        }
      }
      bytes += entryBytes(name, value)
      if (++fieldCount > maxFields || bytes > maxListBytes) return 'too-large'
      fields.push(name, value)
    }
    const block: FieldBlock = { fields, bytes, meaning: undefined }
    if (!isPrivate) this.#cache.offer(block, required, oldest, buffer, start, end)
    return block
  }

  /** RFC 9204 4.5.1.2. */
  #readBase(required: number, buffer: Buffer, end: number): number {
    const reader = this.#reader
    const isNegative = reader.position < end && byteAt(buffer, reader.position) >= 0x80
    const delta = reader.readInteger(0x7f)
    if (!isNegative) return required + delta
    if (delta >= required) throw new QpackError('decompression', 'a section has a negative Base')
    return required - delta - 1
  }

  /**
   * The index in our table of the entry with this number. That a section promises more than it needs is no
   * error (2.2.1: MAY).
   */
  #requireNumber(number: number, required: number): number {
    const { inserted, count } = this.#table
    if (number < 0 || number >= required) {
      throw new QpackError(
        'decompression',
        `a field refers to entry ${number} of ${required} that were promised`,
      )
    }
    if (number < inserted - count) {
      throw new QpackError('decompression', `a field refers to entry ${number}, which was evicted`)
    }
    return inserted - 1 - number
  }
}

function requireStatic(index: number): number {
  if (index < STATIC_COUNT) return index
  throw new QpackError('decompression', `a field refers to the static entry ${index}`)
}

/** The parts that HPACK shares throw HpackError. */
function asQpackError(error: unknown, kind: QpackErrorKind): unknown {
  return error instanceof HpackError ? new QpackError(kind, error.message) : error
}

function byteAt(buffer: Buffer, index: number): number {
  return buffer[index] as number // the caller has compared with the end
}
