import { hashBytes } from './hash-bytes.ts'

/**
 * Up to this length every byte is hashed, as nginx's blocks differ in the few bytes of a length or a date. Of
 * longer blocks only some are; if they differ elsewhere, they take the slot from each other.
 */
const MAX_HASHED_BYTES = 512

/**
 * The hash of an encoded block, with its slot in the lowest bits. Never 0, so that what is empty matches
 * nothing.
 */
export function blockHash(buffer: Buffer, start: number, end: number): number {
  const step = 4 * Math.ceil((end - start) / MAX_HASHED_BYTES)
  const hash = hashBytes(buffer, start, end, step < 4 ? 4 : step)
  return hash ^ (hash >>> 16) || 1
}
