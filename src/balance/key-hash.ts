/**
 * A hash of a key for tables, 32 bits: FNV-1a over its UTF-16 units, and the finalizer of MurmurHash3, which
 * spreads what FNV leaves in the low bits. Not for secrets: whoever chooses keys can choose their endpoint,
 * as with every consistent hash.
 */
export function keyHash(key: string, seed: number): number {
  let hash = (0x811c9dc5 ^ seed) >>> 0
  for (let i = 0; i < key.length; i += 1) {
    const unit = key.charCodeAt(i)
    hash = Math.imul(hash ^ (unit & 0xff), 0x01000193)
    hash = Math.imul(hash ^ (unit >>> 8), 0x01000193)
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
