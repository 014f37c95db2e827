/** Of longer values the first and the last half of this many characters are hashed. */
const MAX_HASHED_CHARS = 64

/**
 * Remembers, roughly, which fields were seen lately: direct-mapped, so that a newcomer takes the place. It
 * holds hashes only. A collision makes a field look as if it had been seen.
 */
export class ValueFilter {
  readonly #hashes: Int32Array

  /** `slots`: a power of two. */
  constructor(slots: number) {
    this.#hashes = new Int32Array(slots)
  }

  /** Whether the field was seen lately. */
  has(name: string, value: string): boolean {
    const hash = hashOf(name, value)
    return this.#hashes[hash & (this.#hashes.length - 1)] === hash
  }

  /** Whether the field was seen lately; from now on it was. */
  add(name: string, value: string): boolean {
    const hash = hashOf(name, value)
    const slot = hash & (this.#hashes.length - 1)
    if (this.#hashes[slot] === hash) return true
    this.#hashes[slot] = hash
    return false
  }
}

/** Never 0, so that an empty slot matches nothing. */
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
