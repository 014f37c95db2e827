import {
  byteAt,
  CR,
  classOf,
  HEX_PLUS_ONE,
  HTAB,
  LF,
  SEMICOLON,
  SP,
  TOKEN,
} from '../../../base/http/char-tables.ts'
import { type HeaderList, isForbiddenTrailer, NO_HEADERS } from '../../../base/http/headers.ts'
import { SMALL_PIECE_BYTES, SmallPieces } from '../../../base/small-pieces.ts'
import { bytesAround, type CodecLimits, type CodecRole, codecFailure } from './codec-failure.ts'
import { type FieldSection, fieldSection } from './field-section.ts'
import { INCOMPLETE, SectionBuffer, type SectionParser } from './section-buffer.ts'

/**
 * The trailers of a scanned section: fields of the connection are left out as in a head, forbidden ones are
 * left out, and a field that would frame or route the message (host, content-length, transfer-encoding) is
 * refused: it has no honest use there.
 */
function collectTrailers(section: FieldSection, text: string, base: number, role: CodecRole): HeaderList {
  const fields = section.collect(text, base)
  if (
    section.host !== undefined ||
    section.contentLength !== undefined ||
    section.transferEncoding !== undefined
  ) {
    throw codecFailure(role, 'broken', 'host, content-length or transfer-encoding in the trailers', text)
  }
  const trailers: string[] = []
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string // even indexes are names
    if (!isForbiddenTrailer(name)) trailers.push(name, fields[i + 1] as string) // odd indexes are values
  }
  return trailers.length === 0 ? NO_HEADERS : trailers
}

/**
 * The chunked coding (RFC 9112 7.1), byte by byte, since a chunk-size line may be cut anywhere:
 *
 *     SIZE -> (EXTENSION) -> SIZE_LF -> DATA -> DATA_CR -> DATA_LF -> SIZE ...
 *                                    -> TRAILERS -> DONE          after the chunk of size 0
 *
 * A line ends with CRLF only, no whitespace is allowed in it, and a size has at most 13 digits: that is below
 * 2^52, which a double holds exactly, so no size can overflow into a smaller one.
 */
const SIZE = 0
const EXTENSION = 1
const SIZE_LF = 2
const DATA = 3
const DATA_CR = 4
const DATA_LF = 5
const TRAILERS = 6
const DONE = 7

const MAX_SIZE_DIGITS = 13

/** Of a chunk that is taken in one step: less than any limit of a chunk line. */
const MAX_WHOLE_DIGITS = 3

/** Reads one chunked body. Used again for the next one after begin(). */
export class ChunkReader implements SectionParser {
  readonly #limits: CodecLimits
  readonly #role: CodecRole
  readonly #pieces: SmallPieces
  #trailerSection: SectionBuffer | undefined
  #state = DONE
  #isSmall = false
  /** The size that is being read; in DATA what is left of the chunk. */
  #size = 0
  #digits = 0
  #lineBytes = 0
  #extensionState = 0
  #extensionBytes = 0
  #isHeld = false

  /** The trailers, when isDone. */
  trailers: HeaderList = NO_HEADERS

  constructor(limits: CodecLimits, role: CodecRole, onData: (chunk: Buffer) => void) {
    this.#limits = limits
    this.#role = role
    this.#pieces = new SmallPieces(onData)
  }

  get isDone(): boolean {
    return this.#state === DONE
  }

  begin(): void {
    this.trailers = NO_HEADERS
    this.#extensionBytes = 0
    this.#isHeld = false
    this.#beginLine()
  }

  /** Takes nothing more until begin(). */
  stop(): void {
    this.#state = DONE
    this.#pieces.clear()
  }

  /** Takes nothing until release(). May be called from within onData. */
  hold(): void {
    this.#isHeld = true
  }

  release(): void {
    this.#isHeld = false
  }

  /** Takes bytes up to the end of the body, or to where it was held; the index behind them. */
  receive(buffer: Buffer, start: number, end: number): number {
    try {
      return this.#receive(buffer, start, end)
    } finally {
      // What came ahead of a fault is handed on ahead of it.
      this.#pieces.flush()
    }
  }

  #receive(buffer: Buffer, start: number, end: number): number {
    let pos = start
    while (pos < end && this.#state !== DONE && !this.#isHeld) {
      if (this.#state === DATA) {
        const dataEnd = Math.min(end, pos + this.#size)
        this.#size -= dataEnd - pos
        if (this.#size === 0) this.#state = DATA_CR
        const dataStart = pos
        pos = dataEnd
        this.#pieces.add(buffer, dataStart, dataEnd, this.#isSmall)
      } else if (this.#state === TRAILERS) {
        pos = this.#receiveTrailers(buffer, pos, end)
      } else {
        const next = this.#state === SIZE && this.#digits === 0 ? this.#receiveWhole(buffer, pos, end) : pos
        if (next > pos) pos = next
        else this.#onByte(buffer, pos++, start, end)
      }
    }
    return pos
  }

  /**
   * Takes a chunk that lies whole in what was read, as small ones do: row after row of them would cost
   * three times as much byte by byte. The index behind it, or `start` where there is anything else.
   */
  #receiveWhole(buffer: Buffer, start: number, end: number): number {
    let at = start
    let size = 0
    for (const most = Math.min(end, start + MAX_WHOLE_DIGITS); at < most; at++) {
      const digit = classOf(HEX_PLUS_ONE, byteAt(buffer, at))
      if (digit === 0) break
      size = size * 16 + digit - 1
    }
    const dataEnd = at + 2 + size
    if (size === 0 || dataEnd + 2 > end || !isLineEnd(buffer, at) || !isLineEnd(buffer, dataEnd)) return start
    this.#pieces.add(buffer, at + 2, dataEnd, size < SMALL_PIECE_BYTES)
    return dataEnd + 2
  }

  /**
   * Reads what there is of a trailer section, so that the peer's close reports its fault and not only the
   * close.
   */
  checkPart(): void {
    if (this.#trailerSection?.hasPart === true) this.#trailerSection.parseRest()
  }

  parseSection(buffer: Buffer, start: number, end: number): number {
    const { maxTrailerBytes, maxHeaderCount } = this.#limits
    const next = fieldSection.scan(buffer, start, end, start + maxTrailerBytes, maxHeaderCount, this.#role)
    if (next === INCOMPLETE) return INCOMPLETE
    // Nearly always nothing but the empty line.
    if (next > start + 2) {
      this.trailers = collectTrailers(fieldSection, buffer.toString('latin1', start, next), start, this.#role)
    }
    return next
  }

  #receiveTrailers(buffer: Buffer, start: number, end: number): number {
    this.#trailerSection ??= new SectionBuffer(this, this.#limits.maxTrailerBytes, true)
    const next = this.#trailerSection.receive(buffer, start, end)
    if (next === INCOMPLETE) return end
    this.#state = DONE
    return next
  }

  #onByte(buffer: Buffer, at: number, start: number, end: number): void {
    const byte = byteAt(buffer, at)
    switch (this.#state) {
      case SIZE: {
        const digit = classOf(HEX_PLUS_ONE, byte)
        if (digit !== 0) {
          if (++this.#digits > MAX_SIZE_DIGITS)
            throw this.#fault('a chunk size is too long', buffer, at, start, end)
          this.#size = this.#size * 16 + digit - 1
        } else if (this.#digits === 0)
          throw this.#fault('a chunk size is not hexadecimal', buffer, at, start, end)
        else if (byte === CR) this.#state = SIZE_LF
        else if (byte === SEMICOLON) {
          this.#state = EXTENSION
          this.#extensionState = EXTENSION_NAME_START
        } else throw this.#fault('a chunk size is not hexadecimal', buffer, at, start, end)
        this.#countLineByte(buffer, at, start, end)
        break
      }
      case EXTENSION:
        if (byte === CR && mayEndExtension(this.#extensionState)) {
          this.#state = SIZE_LF
        } else {
          this.#extensionState = nextExtensionState(this.#extensionState, byte)
          if (this.#extensionState === EXTENSION_FAULT) {
            throw this.#fault('a chunk extension is malformed', buffer, at, start, end)
          }
          if (++this.#extensionBytes > this.#limits.maxChunkExtensionBytes) {
            throw this.#fault('the chunk extensions are longer than their limit', buffer, at, start, end)
          }
        }
        this.#countLineByte(buffer, at, start, end)
        break
      case SIZE_LF:
        if (byte !== LF) throw this.#fault('a chunk line ends with a bare CR', buffer, at, start, end)
        this.#state = this.#size === 0 ? TRAILERS : DATA
        this.#isSmall = this.#size < SMALL_PIECE_BYTES
        break
      case DATA_CR:
        if (byte !== CR) throw this.#fault('a chunk is not followed by CRLF', buffer, at, start, end)
        this.#state = DATA_LF
        break
      default: // DATA_LF
        if (byte !== LF) throw this.#fault('a chunk is not followed by CRLF', buffer, at, start, end)
        this.#beginLine()
    }
  }

  #countLineByte(buffer: Buffer, at: number, start: number, end: number): void {
    if (++this.#lineBytes > this.#limits.maxChunkLineBytes + 1) {
      throw this.#fault('a chunk line is longer than its limit', buffer, at, start, end)
    }
  }

  #beginLine(): void {
    this.#state = SIZE
    this.#size = 0
    this.#digits = 0
    this.#lineBytes = 0
  }

  #fault(rule: string, buffer: Buffer, at: number, start: number, end: number): Error {
    return codecFailure(this.#role, 'broken', rule, bytesAround(buffer, at, start, end))
  }
}

function isLineEnd(buffer: Buffer, at: number): boolean {
  return byteAt(buffer, at) === CR && byteAt(buffer, at + 1) === LF
}

/**
 * Chunk extensions (RFC 9112 7.1.1) are read by nobody and dropped, but where one ends must be beyond doubt:
 *
 *     chunk-ext = *( ";" chunk-ext-name [ "=" ( token | quoted-string ) ] )
 *
 * The grammar also has "bad whitespace" around `;` and `=`, which only ever served attacks; it is refused.
 */
const EXTENSION_NAME_START = 1
const NAME = 2
const VALUE_START = 3
const TOKEN_VALUE = 4
const QUOTED = 5
const QUOTED_PAIR = 6
const QUOTED_END = 7

/** The byte cannot stand here. */
const EXTENSION_FAULT = 0

/** Row: state. The state after one more byte that is neither CR nor LF. */
function nextExtensionState(state: number, byte: number): number {
  const isTokenByte = classOf(TOKEN, byte) !== 0
  const isText = (byte >= SP && byte < 0x7f) || byte === HTAB
  switch (state) {
    case EXTENSION_NAME_START:
      return isTokenByte ? NAME : EXTENSION_FAULT
    case NAME:
      if (byte === 0x3d) return VALUE_START
      return isTokenByte ? NAME : byte === SEMICOLON ? EXTENSION_NAME_START : EXTENSION_FAULT
    case VALUE_START:
      return isTokenByte ? TOKEN_VALUE : byte === 0x22 ? QUOTED : EXTENSION_FAULT
    case TOKEN_VALUE:
      return isTokenByte ? TOKEN_VALUE : byte === SEMICOLON ? EXTENSION_NAME_START : EXTENSION_FAULT
    case QUOTED:
      if (byte === 0x22) return QUOTED_END
      return byte === 0x5c ? QUOTED_PAIR : isText ? QUOTED : EXTENSION_FAULT
    case QUOTED_PAIR:
      return isText ? QUOTED : EXTENSION_FAULT
    default: // QUOTED_END
      return byte === SEMICOLON ? EXTENSION_NAME_START : EXTENSION_FAULT
  }
}

/** Whether the line may end here. */
function mayEndExtension(state: number): boolean {
  return state === NAME || state === TOKEN_VALUE || state === QUOTED_END
}
