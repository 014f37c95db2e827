/** AES-256. */
export const KEY_BYTES = 32
/** As `openssl rand` writes it: `-hex 32`, or `-base64 32`. */
const HEXADECIMAL = /^[0-9a-f]{64}$/i
const BASE64 = /^[0-9a-z+/]{43}=$/i
/**
 * 32 characters of text are no 32 random bytes (one key in 10^13 is mistaken for it), but half a key in
 * hexadecimal, or a pass phrase.
 */
const TEXT = /^[\t\n\r\x20-\x7e]*$/
/** The longest form, with a line break of two bytes. */
export const MAX_KEY_FILE_BYTES = 66

/** The key in a file that the operator has made. Undefined for what is not exactly one. */
export function decodeOperatorKey(bytes: Buffer): Buffer | undefined {
  if (bytes.length > MAX_KEY_FILE_BYTES) return undefined
  const text = bytes.toString('latin1').replace(/\r?\n$/, '')
  if (HEXADECIMAL.test(text)) return Buffer.from(text, 'hex')
  if (BASE64.test(text)) return Buffer.from(text, 'base64')
  return bytes.length === KEY_BYTES && !TEXT.test(bytes.toString('latin1')) ? Buffer.from(bytes) : undefined
}
