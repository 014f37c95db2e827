/**
 * About as many values as a table of 4096 bytes holds entries: what comes again within so many others would still be there when it
 * is needed, and what comes later would have been evicted for nothing.
 */
const SLOTS = 64

/** Of longer values the first and the last half of this many characters are hashed. */
const MAX_HASHED_CHARS = 64

/** Remembers, roughly, which values were seen lately: one-off values must not flush the table. It holds hashes only. */
export class ValueFilter {
  readonly #hashes = new Int32Array(SLOTS)

  /** Whether the field was seen lately; from now on it was. */
  wasSeen(name: string, value: string): boolean {
    const hash = hashOf(name, value)
    const slot = hash & (SLOTS - 1)
    if (this.#hashes[slot] === hash) return true
    this.#hashes[slot] = hash
    return false
  }
}

/** Never 0, so that an empty slot matches nothing. A collision costs an insertion, no more. */
function hashOf(name: string, value: string): number {
  const { length } = value
  let hash = (name.length << 16) ^ (name.charCodeAt(name.length - 1) << 8) ^ length
  const half = length > MAX_HASHED_CHARS ? MAX_HASHED_CHARS / 2 : length
  for (let i = 0; i < half; i++) hash = Math.imul(hash, 0x01000193) ^ value.charCodeAt(i)
  if (half < length) {
    for (let i = length - half; i < length; i++) hash = Math.imul(hash, 0x01000193) ^ value.charCodeAt(i)
  }
  hash ^= hash >>> 15
  return hash === 0 ? 1 : hash
}
