import { QpackError } from './qpack-error.ts'

/**
 * The most entries that a table of this many bytes has: none is smaller than the 32 bytes that each counts
 * (RFC 9204 4.5.1.1).
 */
export function maxEntriesOf(tableBytes: number): number {
  return Math.floor(tableBytes / 32)
}

/**
 * The Required Insert Count as it stands in a section: modulo twice the entries that the decoder's table may
 * have at the most, so that it stays short on a long connection. 0 is for sections without references.
 */
export function encodeRequiredCount(required: number, maxEntries: number): number {
  return required === 0 ? 0 : (required % (2 * maxEntries)) + 1
}

/**
 * The Required Insert Count from what stands in a section (RFC 9204 4.5.1.1): it is at most `maxEntries`
 * above and less than `maxEntries` below `inserted`. Throws QpackError 'decompression' for what no encoder
 * can have meant.
 */
export function decodeRequiredCount(encoded: number, maxEntries: number, inserted: number): number {
  if (encoded === 0) return 0
  const range = 2 * maxEntries
  if (encoded > range) throw invalid(encoded)
  const max = inserted + maxEntries
  const required = Math.floor(max / range) * range + encoded - 1
  if (required <= max && required > 0) return required
  // Above the most that is possible: it was meant one turn earlier.
  if (required <= range) throw invalid(encoded)
  return required - range
}

function invalid(encoded: number): QpackError {
  return new QpackError('decompression', `a section has the impossible Required Insert Count ${encoded}`)
}
