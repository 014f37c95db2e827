// What clients send stands in the lines of a log. Escaped, it ends no line, closes no quotes, and moves no
// terminal; and a line is ASCII, so that its length is its size.

/** Stands where a value was cut. */
const CUT = '...'

/** What needs no escape, within quotes as well. */
const PLAIN = /^[\x20-\x21\x23-\x5b\x5d-\x7e]*$/

/**
 * A value for a line of text, at most `maxLength` long. Quotes, backslashes and what is not printable ASCII
 * are `\xHH`, as nginx writes them.
 */
export function escapeText(value: string, maxLength: number): string {
  return escaped(value, maxLength, textEscape)
}

/** The same for a string of JSON (RFC 8259 section 7), without its quotes. */
export function escapeJson(value: string, maxLength: number): string {
  return escaped(value, maxLength, jsonEscape)
}

function escaped(value: string, maxLength: number, escape: (code: number) => string): string {
  if (value.length <= maxLength && PLAIN.test(value)) return value
  let text = ''
  // A cut between two pieces leaves each escape whole.
  let cutAt = 0
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i)
    text += isPlain(code) ? value.charAt(i) : escape(code)
    if (text.length > maxLength) return text.slice(0, cutAt) + CUT
    if (text.length <= maxLength - CUT.length) cutAt = text.length
  }
  return text
}

function isPlain(code: number): boolean {
  return code >= 0x20 && code <= 0x7e && code !== 0x22 && code !== 0x5c
}

function textEscape(code: number): string {
  if (code > 0xff) return `\\u${hex(code, 4)}`
  return `\\x${hex(code, 2)}`
}

function jsonEscape(code: number): string {
  return code === 0x22 || code === 0x5c ? `\\${String.fromCharCode(code)}` : `\\u${hex(code, 4)}`
}

function hex(code: number, digits: number): string {
  return code.toString(16).toUpperCase().padStart(digits, '0')
}
