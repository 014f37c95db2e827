/**
 * Numbers from 0 to 1 (exclusive) that are the same for the same seed: xorshift32 (Marsaglia, "Xorshift
 * RNGs", 2003).
 */
export function seededRandom(seed: number): () => number {
  // The state must not be 0, and small seeds would begin with small numbers: spread the bits by a
  // multiplication first.
  let state = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) | 0 || 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32
  }
}
