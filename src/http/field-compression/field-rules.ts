import { TransportError } from '../../base/errors.ts'
import { classOf, HTAB, SP, TOKEN_LOWER_ONLY, VALUE } from '../../base/http/char-tables.ts'
import { CODE_LENGTHS } from './huffman.ts'

/** The Huffman bits of what may stand in a value; 0 for what may not. */
const VALUE_BITS = VALUE.map((allowed, byte) => (allowed === 1 ? classOf(CODE_LENGTHS, byte) : 0))

/**
 * Throws unless the name, that of a pseudo-field without its colon, is a token in lower case (RFC 9113 8.2.1,
 * RFC 9114 4.2).
 */
export function requireName(name: string, isPseudo: boolean): void {
  const start = isPseudo ? 1 : 0
  let isValid = name.length > start
  for (let i = start; i < name.length && isValid; i++) {
    const code = name.charCodeAt(i)
    isValid = code < 0x80 && classOf(TOKEN_LOWER_ONLY, code) !== 0
  }
  if (!isValid) throw invalidField('has a name that is not a token in lower case', name)
}

/**
 * Throws unless the value may be sent (RFC 9113 8.2.1, RFC 9114 10.3): no control characters but HTAB,
 * nothing above 255, no whitespace around it. Returns how many bits it takes when Huffman coded: both in one
 * pass.
 */
export function requireValue(name: string, value: string): number {
  const { length } = value
  let bits = 0
  for (let i = 0; i < length; i++) {
    const charBits = VALUE_BITS[value.charCodeAt(i)]
    // undefined: above 255
    if (charBits === undefined || charBits === 0) {
      throw invalidField('has a value with a character that none may have', name)
    }
    bits += charBits
  }
  if (length > 0 && (isBlank(value.charCodeAt(0)) || isBlank(value.charCodeAt(length - 1)))) {
    throw invalidField('has a value that begins or ends with whitespace', name)
  }
  return bits
}

/** The error for a field that must not be sent. It names no value, which may be a secret. */
export function invalidField(what: string, name: string): TransportError {
  return new TransportError('MM_INVALID_ARGUMENT', `the field ${JSON.stringify(name.slice(0, 40))} ${what}`)
}

function isBlank(code: number): boolean {
  return code === SP || code === HTAB
}
