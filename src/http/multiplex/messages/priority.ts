import { HTAB, SEMICOLON, SP, TARGET } from '../../../base/http/char-tables.ts'

/** How a response is to be scheduled among others (RFC 9218 4). */
export interface Priority {
  /** 0 to 7, the lowest first. */
  readonly urgency: number
  /** Whether parts of it are of use before the rest has come. */
  readonly incremental: boolean
}

export const DEFAULT_PRIORITY: Priority = Object.freeze({ urgency: 3, incremental: false })

/** Longer than this is no priority: what is sent in earnest has ten characters at the most. */
export const MAX_PRIORITY_CHARS = 256

/**
 * Reads the value of a Priority field or of PRIORITY_UPDATE: a structured-field dictionary (RFC 9651 4.2.2).
 * A member that is unknown, of another type or out of range does not count (RFC 9218 4), and nothing counts
 * when the dictionary is malformed: it is a hint.
 */
export function parsePriority(value: string | undefined): Priority {
  if (value === undefined || value.length > MAX_PRIORITY_CHARS) return DEFAULT_PRIORITY
  let urgency = DEFAULT_PRIORITY.urgency
  let incremental = DEFAULT_PRIORITY.incremental
  let pos = skipBlanks(value, 0)
  if (pos === value.length) return DEFAULT_PRIORITY
  for (;;) {
    const keyEnd = endOfKey(value, pos)
    const key = value.slice(pos, keyEnd)
    const itemEnd = endOfValue(value, keyEnd)
    const item = itemEnd === keyEnd ? '?1' : value.slice(keyEnd + 1, itemEnd) // a key alone is true
    pos = endOfParameters(value, itemEnd)
    if (keyEnd === MALFORMED || itemEnd === MALFORMED || pos === MALFORMED) return DEFAULT_PRIORITY
    // The last one of a key counts.
    if (key === 'u') urgency = isUrgency(item) ? Number(item) : DEFAULT_PRIORITY.urgency
    else if (key === 'i') incremental = item === '?1'
    pos = skipBlanks(value, pos)
    if (pos === value.length) return { urgency, incremental }
    if (value.charCodeAt(pos) !== COMMA) return DEFAULT_PRIORITY
    pos = skipBlanks(value, pos + 1)
  }
}

const MALFORMED = -1
const COMMA = 0x2c
const EQUALS = 0x3d
const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN_PARENTHESIS = 0x28
const CLOSE_PARENTHESIS = 0x29

function isUrgency(item: string): boolean {
  return item.length === 1 && item >= '0' && item <= '7'
}

/** OWS. At the ends of the whole RFC 9651 allows spaces only; a tab there harms nobody. */
function skipBlanks(text: string, start: number): number {
  let pos = start
  while (pos < text.length && isBlank(text.charCodeAt(pos))) pos++
  return pos
}

function isBlank(code: number): boolean {
  return code === SP || code === HTAB
}

function endOfKey(text: string, start: number): number {
  const first = text.charCodeAt(start)
  if (!isLowerAlpha(first) && first !== ASTERISK) return MALFORMED
  let pos = start + 1
  while (pos < text.length && isKeyChar(text.charCodeAt(pos))) pos++
  return pos
}

const ASTERISK = 0x2a

function isLowerAlpha(code: number): boolean {
  return code >= 0x61 && code <= 0x7a
}

function isKeyChar(code: number): boolean {
  return (
    isLowerAlpha(code) ||
    (code >= 0x30 && code <= 0x39) ||
    code === 0x5f || // _
    code === 0x2d || // -
    code === 0x2e || // .
    code === ASTERISK
  )
}

/** Behind `=` and what follows it; where it is when there is no `=`. */
function endOfValue(text: string, pos: number): number {
  if (pos === MALFORMED || text.charCodeAt(pos) !== EQUALS) return pos
  return text.charCodeAt(pos + 1) === OPEN_PARENTHESIS
    ? endOfInnerList(text, pos + 2)
    : endOfItem(text, pos + 1)
}

/**
 * Strings are skipped as such, since they may have commas in them; of the other items only where they end
 * matters.
 */
function endOfItem(text: string, start: number): number {
  let pos = start
  if (text.charCodeAt(pos) !== QUOTE) {
    while (pos < text.length && isItemChar(text.charCodeAt(pos))) pos++
    return pos === start ? MALFORMED : pos
  }
  for (pos++; pos < text.length; pos++) {
    const code = text.charCodeAt(pos)
    if (code === QUOTE) return pos + 1
    if (code === BACKSLASH) pos++
  }
  return MALFORMED
}

function isItemChar(code: number): boolean {
  return (
    TARGET[code] === 1 &&
    code !== COMMA &&
    code !== SEMICOLON &&
    code !== QUOTE &&
    code !== OPEN_PARENTHESIS &&
    code !== CLOSE_PARENTHESIS
  )
}

function endOfInnerList(text: string, start: number): number {
  let pos = start
  while (pos < text.length && pos !== MALFORMED) {
    const code = text.charCodeAt(pos)
    if (code === CLOSE_PARENTHESIS) return pos + 1
    if (isBlank(code) || code === SEMICOLON) pos++
    else pos = endOfItem(text, pos)
  }
  return MALFORMED
}

function endOfParameters(text: string, start: number): number {
  let pos = start
  while (pos !== MALFORMED && text.charCodeAt(pos) === SEMICOLON) {
    const keyEnd = endOfKey(text, skipBlanks(text, pos + 1))
    pos = keyEnd !== MALFORMED && text.charCodeAt(keyEnd) === EQUALS ? endOfItem(text, keyEnd + 1) : keyEnd
  }
  return pos
}
