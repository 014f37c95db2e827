import { byteAt, COLON, CR, HTAB, LF, SP, TOKEN, VALUE } from '../../../base/http/char-tables.ts'
import type { CodecRole } from './codec-failure.ts'
import { bytesAround, codecFailure } from './codec-failure.ts'
import {
  CONNECTION,
  CONTENT_LENGTH,
  EXPECT,
  findName,
  HOST,
  KEEP_ALIVE,
  nameOf,
  SPECIAL_NAME_COUNT,
  TE,
  TRANSFER_ENCODING,
  UPGRADE,
} from './header-names.ts'
import { INCOMPLETE } from './section-buffer.ts'

/** Ints per field in the span table: id, name start, name end, value start, value end. */
const SPAN = 5

/**
 * Reads the field lines of a head or a trailer section: `scan` checks every byte and notes where things are,
 * `collect` makes strings of them once the section is known to be whole. In between it owns nothing, so one
 * instance serves all decoders.
 *
 * Rules (RFC 9112 5, RFC 9110 5.5). What is refused here is what two parsers have been seen to read
 * differently:
 *  1. A line ends with CRLF. A bare CR or LF is refused, also where RFC 9112 2.2 lets a recipient accept LF.
 *  2. A name is a token, directly followed by the colon (5.1).
 *  3. A line does not begin with whitespace: no obs-fold (5.2), and no whitespace before the first field
 *     (2.2).
 *  4. A value has HTAB, SP, visible ASCII and obs-text only; the SP and HTAB around it (RFC 9110 5.6.3) are
 *     not part of it.
 */
export class FieldSection {
  #count = 0
  #spans = new Int32Array(SPAN * 64)

  // What the codec acts on, as collect() found it. Several of one name are joined as a list.
  host: string | undefined
  contentLength: string | undefined
  transferEncoding: string | undefined
  connection: string | undefined
  upgrade: string | undefined
  te: string | undefined
  keepAlive: string | undefined
  expect: string | undefined
  /** host, content-length or transfer-encoding came more than once. */
  isDoubtful = false
  /** A name has an underscore, which some applications read as a hyphen. */
  hasUnderscore = false

  /**
   * Reads `buffer[start, end)` from the beginning of a line to behind the empty line. INCOMPLETE when the
   * empty line is missing; fails when there are more than `maxCount` fields or the section does not end at or
   * before `limit`.
   */
  scan(buffer: Buffer, start: number, end: number, limit: number, maxCount: number, role: CodecRole): number {
    const stop = end < limit ? end : limit
    let spans = this.#spans
    let count = 0
    let pos = start
    for (;;) {
      const lineStart = pos
      while (pos < stop && TOKEN[buffer[pos] as number] !== 0) pos++ // pos < length
      if (pos >= stop) break
      const delimiter = byteAt(buffer, pos)
      if (delimiter !== COLON || pos === lineStart) {
        if (delimiter !== CR || pos !== lineStart) throw badName(buffer, lineStart, pos, end, role)
        if (pos + 1 >= stop) break
        if (byteAt(buffer, pos + 1) !== LF) throw badName(buffer, lineStart, pos, end, role)
        this.#count = count
        return pos + 2
      }
      if (count === maxCount) throw codecFailure(role, 'headerLimit', `more than ${maxCount} fields`)
      const nameEnd = pos++
      while (pos < stop && isBlank(byteAt(buffer, pos))) pos++
      const valueStart = pos
      // Four at a time: a head is mostly values, and this halves what they cost.
      while (
        pos + 4 <= stop &&
        VALUE[buffer[pos] as number] === 1 && // pos < length, here and below
        VALUE[buffer[pos + 1] as number] === 1 && // likewise
        VALUE[buffer[pos + 2] as number] === 1 && // likewise
        VALUE[buffer[pos + 3] as number] === 1 // likewise
      ) {
        pos += 4
      }
      while (pos < stop && VALUE[buffer[pos] as number] === 1) pos++ // pos < length
      if (pos + 1 >= stop) {
        // The last byte is a CR, whose LF may come, or breaks the value now.
        if (pos < stop && byteAt(buffer, pos) !== CR) throw badValue(buffer, lineStart, pos, end, role)
        break
      }
      if (byteAt(buffer, pos) !== CR || byteAt(buffer, pos + 1) !== LF) {
        throw badValue(buffer, lineStart, pos, end, role)
      }
      let valueEnd = pos
      while (valueEnd > valueStart && isBlank(byteAt(buffer, valueEnd - 1))) valueEnd--
      pos += 2
      const at = count * SPAN
      if (at === spans.length) spans = this.#growSpans()
      spans[at] = findName(buffer, lineStart, nameEnd)
      spans[at + 1] = lineStart
      spans[at + 2] = nameEnd
      spans[at + 3] = valueStart
      spans[at + 4] = valueEnd
      count++
    }
    if (end >= limit) throw codecFailure(role, 'headerLimit', 'the header section is longer than its limit')
    return INCOMPLETE
  }

  /**
   * The fields of the last scan as a list, but for those that belong to the connection. `text` is the latin1
   * text from `base` on.
   */
  collect(text: string, base: number): string[] {
    this.host = undefined
    this.contentLength = undefined
    this.transferEncoding = undefined
    this.connection = undefined
    this.upgrade = undefined
    this.te = undefined
    this.keepAlive = undefined
    this.expect = undefined
    this.isDoubtful = false
    this.hasUnderscore = false
    const spans = this.#spans
    const headers: string[] = []
    for (let i = 0; i < this.#count; i++) {
      const at = i * SPAN
      const id = spans[at] as number // scan() wrote SPAN numbers per field
      const valueStart = intAt(spans, at + 3) - base
      const valueEnd = intAt(spans, at + 4) - base
      const value = text.substring(valueStart, valueEnd)
      if (id >= SPECIAL_NAME_COUNT) headers.push(nameOf(id), value)
      else if (id >= 0) this.#takeSpecial(id, value, headers)
      else {
        const name = text.substring(intAt(spans, at + 1) - base, intAt(spans, at + 2) - base)
        if (name.includes('_')) this.hasUnderscore = true // none of the names in the table has one
        headers.push(name.toLowerCase(), value)
      }
    }
    return headers
  }

  #takeSpecial(id: number, value: string, headers: string[]): void {
    switch (id) {
      case HOST:
        if (this.host !== undefined) this.isDoubtful = true
        this.host = value
        break
      case CONTENT_LENGTH:
        if (this.contentLength !== undefined) this.isDoubtful = true
        this.contentLength = value
        headers.push('content-length', value)
        break
      case TRANSFER_ENCODING:
        if (this.transferEncoding !== undefined) this.isDoubtful = true
        this.transferEncoding = value
        break
      case CONNECTION:
        this.connection = joined(this.connection, value)
        break
      case UPGRADE:
        this.upgrade = joined(this.upgrade, value)
        break
      case TE:
        this.te = joined(this.te, value)
        break
      case KEEP_ALIVE:
        this.keepAlive = joined(this.keepAlive, value)
        break
      case EXPECT:
        this.expect = joined(this.expect, value)
        headers.push('expect', value)
        break
      default: // proxy-connection and http2-settings mean nothing to us and are not passed on
    }
  }

  #growSpans(): Int32Array<ArrayBuffer> {
    const grown = new Int32Array(this.#spans.length * 2)
    grown.set(this.#spans)
    this.#spans = grown
    return grown
  }
}

/** The instance that all decoders use: between scan() and the last look at its fields nobody else runs. */
export const fieldSection = new FieldSection()

function intAt(spans: Int32Array, index: number): number {
  return spans[index] as number // scan() wrote SPAN numbers per field
}

function isBlank(byte: number): boolean {
  return byte === SP || byte === HTAB
}

function joined(before: string | undefined, value: string): string {
  return before === undefined ? value : `${before}, ${value}`
}

function badName(buffer: Buffer, lineStart: number, at: number, end: number, role: CodecRole): Error {
  const byte = byteAt(buffer, at)
  let rule = 'a field name has a character that no token has'
  if (at === lineStart) {
    if (byte === COLON) rule = 'a field has an empty name'
    else if (byte === SP || byte === HTAB)
      rule = 'a field line begins with whitespace (obs-fold is not accepted)'
    else if (byte === CR || byte === LF) rule = 'a line ends with a bare CR or LF'
  } else if (byte === SP || byte === HTAB) rule = 'whitespace between a field name and its colon'
  else if (byte === CR || byte === LF) rule = 'a field line has no colon'
  return codecFailure(role, 'broken', rule, bytesAround(buffer, at, lineStart, end))
}

function badValue(buffer: Buffer, lineStart: number, at: number, end: number, role: CodecRole): Error {
  const byte = byteAt(buffer, at)
  const rule =
    byte === CR || byte === LF ? 'a line ends with a bare CR or LF' : 'a field value has a control character'
  return codecFailure(role, 'broken', rule, bytesAround(buffer, at, lineStart, end))
}
