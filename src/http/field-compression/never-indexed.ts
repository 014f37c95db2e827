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

/**
 * A field is encoded again microseconds after it was decoded: this is room for the fields that are on their
 * way at one time.
 */
const SLOTS = 1024

const fields = new ValueFilter(SLOTS)
let isEmpty = true

/**
 * RFC 7541 7.1.3: an intermediary MUST send a field as never-indexed literal when it came as one. Header
 * lists have no place for such a mark, and are taken apart and put together between a decoder and an encoder;
 * so the fields themselves are remembered, as hashes, one memory for the process. It is only for names that
 * FieldClass does not call secret anyway, which hardly any peer marks.
 *
 * What this does not do: an entry that another message brought into the table before is still referred to.
 */
export function rememberNeverIndexed(name: string, value: string): void {
  isEmpty = false
  fields.add(name, value)
}

/** Whether the field came as never-indexed literal lately. */
export function wasNeverIndexed(name: string, value: string): boolean {
  return !isEmpty && fields.has(name, value)
}

/** Of longer values the first and the last half of this many characters are hashed. */
const MAX_HASHED_CHARS = 64
