import { classOf, HTAB, SEMICOLON, SP, TOKEN } from '../../../base/http/char-tables.ts'

/**
 * Chunk extensions (RFC 9112 7.1.1) are read by nobody and dropped, but where one ends must be beyond doubt:
 *
 *     chunk-ext = *( ";" chunk-ext-name [ "=" ( token | quoted-string ) ] )
 *
 * The grammar also has "bad whitespace" around `;` and `=`, which only ever served attacks; it is refused.
 */
export const EXTENSION_NAME_START = 1
const NAME = 2
const VALUE_START = 3
const TOKEN_VALUE = 4
const QUOTED = 5
const QUOTED_PAIR = 6
const QUOTED_END = 7

/** The byte cannot stand here. */
export const EXTENSION_FAULT = 0

/** Row: state. The state after one more byte that is neither CR nor LF. */
export function nextExtensionState(state: number, byte: number): number {
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
export function mayEndExtension(state: number): boolean {
  return state === NAME || state === TOKEN_VALUE || state === QUOTED_END
}
