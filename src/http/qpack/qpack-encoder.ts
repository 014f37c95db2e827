import { COLON } from '../../base/http/char-tables.ts'
import type { HeaderList } from '../../base/http/headers.ts'
import { entryBytes } from '../field-compression/dynamic-table.ts'
import {
  EncoderTable,
  type NameRecord,
  NO_INDEX,
  type TableEntry,
} from '../field-compression/encoder-table.ts'
import { invalidField, requireSendableName, requireSendableValue } from '../field-compression/field-writer.ts'
import { ValueFilter, wasNeverIndexed } from '../field-compression/never-indexed.ts'
import { SEGMENT_SLOTS, SegmentMemo } from '../field-compression/segment-memo.ts'
import { QPACK_STATIC_BY_NAME } from '../field-compression/static-tables.ts'
import { DecoderStreamReader } from './qpack-decoder-stream.ts'
import { EncoderStreamWriter } from './qpack-encoder-stream.ts'
import { QpackError } from './qpack-error.ts'
import { QpackInsertions } from './qpack-insertions.ts'
import { OutstandingSections } from './qpack-outstanding-sections.ts'
import { encodeRequiredCount, maxEntriesOf } from './qpack-required-count.ts'
import { SectionWriter } from './qpack-section-writer.ts'

/**
 * As in HpackEncoder: what comes again within so many other values would still be in the table when it is
 * needed.
 */
const FILTER_SLOTS = 64

export interface QpackEncoderOptions {
  /** The most of the peer's table that we use. */
  readonly maxTableBytes: number
  /**
   * How many streams may wait for our encoder stream, if the peer allows that many: 0 unless told otherwise.
   * It would save some hundred bytes in the first round trip after a new value, at the price of what HTTP/3
   * is there to avoid: a lost packet of the encoder stream would stall streams that have all of their own.
   * With 0 a section refers to nothing that the peer has not confirmed.
   */
  readonly maxBlockedStreams?: number
}

/**
 * Encodes the field sections of one direction of a connection (RFC 9204).
 *
 * As in HpackEncoder the fast path is a field that is in a table, and names and values are checked where a
 * literal is written. But insertions go their own way, on the encoder stream: a section that is not sent
 * takes nothing with it, and a new entry is of use when the peer has confirmed it. Until then its field is
 * sent as a literal.
 */
export class QpackEncoder {
  readonly #options: QpackEncoderOptions
  readonly #table = new EncoderTable(0, QPACK_STATIC_BY_NAME)
  readonly #sections = new OutstandingSections()
  readonly #encoderStream = new EncoderStreamWriter()
  readonly #decoderStream = new DecoderStreamReader(this.#sections)
  readonly #insertions = new QpackInsertions(this.#table, this.#sections, this.#encoderStream)
  readonly #writer = new SectionWriter()
  readonly #filter = new ValueFilter(FILTER_SLOTS)
  readonly #memo = new SegmentMemo()
  /** Of each segment of the memo: the oldest entry that it refers to, and its Required Insert Count. */
  readonly #segmentOldest = Array.from({ length: SEGMENT_SLOTS }, () => Infinity)
  readonly #segmentRequired = Array.from({ length: SEGMENT_SLOTS }, () => 0)

  #peerTableBytes = 0
  #maxEntries = 0
  #maxBlockedStreams = 0

  /**
   * - `none`: no section since the last abort; on to `open` by begin()
   * - `open`: between begin() and end(); on to `whole` by end(), or to `none` by abort(), or `open` again by
   *   begin(), which aborts
   * - `whole`: ended, and to be sent; on to `open` by begin(), or to `none` by abort()
   */
  #state: 'none' | 'open' | 'whole' = 'none'
  #streamId = 0
  /** The section may have references, */
  #mayRefer = true
  /** namely to entries with lower numbers. */
  #referableBelow = 0
  /**
   * The oldest entry that the section, or the list in it that is being encoded, refers to; and the Required
   * Insert Count for it.
   */
  #oldest = Infinity
  #required = 0
  /** No entry from this number on may be evicted, for the section may refer to it. */
  #heldFrom = Infinity
  /**
   * Since the last field that must not be remembered: a secret, or one that was or should have been inserted.
   */
  #isPlain = true

  constructor(options: QpackEncoderOptions) {
    this.#options = options
  }

  /** The section is `bytes[0, length)`, until the next begin(). */
  get bytes(): Buffer {
    return this.#writer.bytes
  }

  /** Entries in the dynamic table. */
  get tableEntries(): number {
    return this.#table.count
  }

  /** Streams that have a section which the peer may not be able to decode yet. */
  get blockingStreams(): number {
    return this.#sections.blockingStreams
  }

  /**
   * Whether new entries may come into the table. To be set to false while the encoder stream has no credit
   * (RFC 9204 2.1.3): what we keep of it is bounded, by what fits the peer's table, but it is of no use to
   * anybody.
   */
  get mayInsert(): boolean {
    return this.#insertions.isAllowed
  }

  set mayInsert(isAllowed: boolean) {
    this.#insertions.isAllowed = isAllowed
  }

  /**
   * The peer's SETTINGS_QPACK_MAX_TABLE_CAPACITY and SETTINGS_QPACK_BLOCKED_STREAMS, which are 0 until this
   * was called. For early data once with what was remembered, and again with what came; then a capacity that
   * was not 0 must be the same (RFC 9204 3.2.3), or QpackError 'decoder-stream' is thrown. When early data
   * was rejected the encoder is of no use any more.
   */
  setPeerLimits(maxTableBytes: number, maxBlockedStreams: number): void {
    if (this.#peerTableBytes > 0 && maxTableBytes !== this.#peerTableBytes) {
      throw new QpackError(
        'decoder-stream',
        `a table capacity of ${maxTableBytes} instead of the ${this.#peerTableBytes} that early data went by`,
      )
    }
    this.#maxBlockedStreams = Math.min(maxBlockedStreams, this.#options.maxBlockedStreams ?? 0)
    if (this.#peerTableBytes > 0 || maxTableBytes === 0) return
    const bytes = Math.min(maxTableBytes, this.#options.maxTableBytes)
    this.#peerTableBytes = maxTableBytes
    this.#maxEntries = maxEntriesOf(maxTableBytes)
    this.#table.resize(bytes)
    this.#sections.setMaxEntries(maxEntriesOf(bytes))
  }

  /** Begins a section for a stream. One that was begun and not ended is aborted. */
  begin(streamId: number): void {
    if (this.#state === 'open') this.abort()
    this.#state = 'open'
    this.#streamId = streamId
    this.#oldest = Infinity
    this.#required = 0
    this.#heldFrom = Infinity
    const sections = this.#sections
    this.#mayRefer = sections.hasRoom(streamId)
    if (!this.#mayRefer) this.#referableBelow = 0
    else if (sections.mayBlock(streamId, this.#maxBlockedStreams)) this.#referableBelow = Infinity
    else this.#referableBelow = sections.knownReceived
    this.#writer.begin(this.#table.inserted)
  }

  /**
   * Adds one field; pseudo-fields are allowed. Throws TransportError MM_INVALID_ARGUMENT for a name or value
   * that must not be on the wire; then the section is lost: begin() or abort() must follow.
   */
  add(name: string, value: string): void {
    const isPseudo = name.charCodeAt(0) === COLON
    const record = isPseudo ? this.#table.pseudoRecord(name) : this.#table.record(name)
    this.#add(record, name, value, isPseudo)
  }

  /** Adds all fields of a list, in which there are no pseudo-fields. Throws like add(). */
  addAll(headers: HeaderList): void {
    const table = this.#table
    const memo = this.#memo
    const { knownReceived } = this.#sections
    const mayRefer = this.#mayRefer
    // Both only ever grow: as long as the sum is the same, each field would be encoded to the same.
    const slot = memo.find(headers, table.generation + knownReceived)
    if (slot >= 0 && (mayRefer || this.#segmentRequired[slot] === 0)) {
      this.#writer.segment(memo, slot)
      this.#hold(this.#segmentOldest[slot] as number, this.#segmentRequired[slot] as number) // of that slot
      return
    }
    const oldestBefore = this.#oldest
    const requiredBefore = this.#required
    this.#oldest = Infinity
    this.#required = 0
    this.#isPlain = true
    const start = this.#writer.length
    for (let i = 0; i < headers.length; i += 2) {
      const name = headers[i] as string // even indexes are names
      this.#add(table.record(name), name, headers[i + 1] as string, false) // odd indexes are values
    }
    // What counts from the Base must mean the same in the next section; what the peer has not confirmed is
    // for streams only that may wait; and one that must not refer to anything is no example.
    const isGeneral = this.#writer.base === table.inserted && this.#required <= knownReceived && mayRefer
    if (this.#isPlain && isGeneral) {
      const noted = memo.note(headers, this.#writer.bytes, start, this.#writer.length)
      if (noted >= 0) {
        this.#segmentOldest[noted] = this.#oldest
        this.#segmentRequired[noted] = this.#required
      }
    }
    this.#hold(oldestBefore, requiredBefore)
  }

  /**
   * Ends the section. Returns its length. The instructions of takeEncoderStream() must go out before it, or
   * with it.
   */
  end(): number {
    this.#state = 'whole'
    const required = this.#required
    if (required > 0) this.#sections.add(this.#streamId, required, this.#oldest)
    return this.#writer.end(required, encodeRequiredCount(required, this.#maxEntries))
  }

  /**
   * The section that was begun last will not be sent, whether it was ended or not. What it inserted stays.
   */
  abort(): void {
    if (this.#state === 'whole' && this.#required > 0) this.#sections.removeLast(this.#streamId)
    this.#state = 'none'
  }

  /** What is to be sent on our encoder stream. The caller owns the bytes. */
  takeEncoderStream(): Buffer | undefined {
    const taken = this.#encoderStream.take()
    if (taken !== undefined) this.#sections.onSent(this.#table.inserted)
    return taken
  }

  /**
   * Reads bytes of the peer's decoder stream, in any pieces. Throws QpackError 'decoder-stream': the
   * connection is lost. When a stream of ours was reset the peer says so here; until it does, what the
   * stream's sections refer to stays.
   */
  receiveDecoderStream(buffer: Buffer, start: number, end: number): void {
    this.#decoderStream.receive(buffer, start, end)
  }

  /**
   * For tests: every string that outlives its section, first the table's: name, value, … from the newest
   * entry on. @internal
   */
  keptStrings(): string[] {
    return [...this.#table.contents(), ...this.#memo.contents()]
  }

  #add(known: NameRecord | undefined, name: string, value: string, isPseudo: boolean): void {
    const record = known ?? this.#describe(name, isPseudo)
    const index = this.#table.staticIndexOf(record, value)
    if (index !== NO_INDEX) {
      this.#writer.staticField(index)
      return
    }
    const entry = record.newest === undefined ? undefined : this.#table.newestEntry(record, value)
    if (entry === undefined) this.#addNew(record, value)
    else this.#addKnown(record, entry)
  }

  /** A name that is in no table, and was not sent before or is in none of our lists either. */
  #describe(name: string, isPseudo: boolean): NameRecord {
    requireSendableName(name, isPseudo)
    return this.#table.describe(name)
  }

  /** A field that is in the table: a reference to it, if there may be one. */
  #addKnown(record: NameRecord, newest: TableEntry): void {
    const limit = this.#referableBelow
    let entry: TableEntry | undefined = newest
    if (newest.number >= limit) entry = this.#table.newestEntry(record, newest.value, limit)
    else if (this.#insertions.isDraining(record, newest)) {
      this.#isPlain = false
      if (!this.#insertions.refresh(record, newest, this.#heldFrom)) entry = undefined
    }
    if (entry === undefined) {
      this.#writeLiteral(record, newest.value, requireSendableValue(record.name, newest.value), false)
      return
    }
    this.#hold(entry.number, entry.number + 1)
    this.#writer.entry(entry.number)
  }

  /** A field that is in no table. */
  #addNew(record: NameRecord, value: string): void {
    const { name, fieldClass } = record
    if (fieldClass === 'forbidden') throw invalidField('belongs to the connection (RFC 9114 4.2)', name)
    const bits = requireSendableValue(name, value)
    if (fieldClass === 'secret' || wasNeverIndexed(name, value)) {
      this.#isPlain = false
      this.#writeLiteral(record, value, bits, true)
      return
    }
    if (this.#isWorthATable(record, value)) {
      this.#isPlain = false
      const { inserted } = this.#table
      if (this.#insertions.insert(record, value, bits, this.#heldFrom) && inserted < this.#referableBelow) {
        this.#hold(inserted, inserted + 1)
        this.#writer.entry(inserted)
        return
      }
    } else if (this.#isNameWorthATable(record)) {
      this.#isPlain = false
      this.#insertions.insert(record, '', 0, this.#heldFrom)
    }
    this.#writeLiteral(record, value, bits, false)
  }

  #isWorthATable({ name, fieldClass }: NameRecord, value: string): boolean {
    if (fieldClass === 'volatile') return false
    // What takes more than half of the table would evict everything that is used more often.
    if (entryBytes(name, value) > this.#table.maxBytes / 2) return false
    return fieldClass === 'stable' || this.#filter.add(name, value)
  }

  /** A name alone, with an empty value: for values that do not come again. */
  #isNameWorthATable({ name, staticIndex, newest }: NameRecord): boolean {
    if (staticIndex !== NO_INDEX || newest !== undefined) return false
    return entryBytes(name, '') <= this.#table.maxBytes / 2 && this.#filter.add(name, '')
  }

  #writeLiteral(record: NameRecord, value: string, bits: number, isNeverIndexed: boolean): void {
    const { name, staticIndex } = record
    if (staticIndex !== NO_INDEX) {
      this.#writer.literalWithStaticName(staticIndex, value, bits, isNeverIndexed)
      return
    }
    const entry = isNeverIndexed ? undefined : this.#table.newestNamed(record, this.#referableBelow)
    if (entry === undefined || this.#insertions.isDraining(record, entry)) {
      this.#writer.literalWithLiteralName(name, value, bits, isNeverIndexed)
      return
    }
    this.#hold(entry.number, entry.number + 1)
    this.#writer.literalWithName(entry.number, value, bits)
  }

  /** The section refers to entries from `oldest` on, and needs that many insertions. */
  #hold(oldest: number, required: number): void {
    if (oldest < this.#oldest) this.#oldest = oldest
    if (required > this.#required) this.#required = required
    if (oldest < this.#heldFrom) this.#heldFrom = oldest
  }
}
