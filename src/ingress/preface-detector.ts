/**
 * What a client of HTTP/2 sends first (RFC 9113 3.4). It was chosen so that no request of HTTP/1.1 begins
 * like it.
 */
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1')

/** The most that is ever needed to tell. */
export const PREFACE_BYTES = PREFACE.length

/** `undecided`: all bytes so far begin the preface, and it is not complete. */
export type PrefaceVerdict = 'h2' | 'http/1.1' | 'undecided'

/**
 * What the first bytes of a connection in cleartext begin: HTTP/2 by prior knowledge, or something else,
 * which HTTP/1.1 takes or refuses. Only the first PREFACE_BYTES are looked at.
 */
export function detectPreface(firstBytes: Uint8Array): PrefaceVerdict {
  const length = Math.min(firstBytes.length, PREFACE_BYTES)
  for (let i = 0; i < length; i++) if (firstBytes[i] !== PREFACE[i]) return 'http/1.1'
  return length === PREFACE_BYTES ? 'h2' : 'undecided'
}
