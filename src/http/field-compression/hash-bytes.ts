/** Knuth's multiplier, 2^32 divided by the golden ratio: its products mix well into the upper bits. */
const MULTIPLIER = 0x9e3779b1

/**
 * A hash of `buffer[start, end)`; its upper bits depend on all bytes. Four bytes at a time, as it is the
 * chain of multiplications that takes time: 50 ns for 143 bytes (with readInt32LE 225). `step` above 4, a
 * multiple of it, leaves bytes out.
 */
export function hashBytes(buffer: Uint8Array, start: number, end: number, step = 4): number {
  let hash = end - start
  let i = start
  for (; i + 4 <= end; i += step) {
    const word =
      at(buffer, i) | (at(buffer, i + 1) << 8) | (at(buffer, i + 2) << 16) | (at(buffer, i + 3) << 24)
    hash = Math.imul(hash ^ word, MULTIPLIER)
  }
  for (; i < end; i++) hash = Math.imul(hash ^ at(buffer, i), MULTIPLIER)
  return hash
}

function at(buffer: Uint8Array, index: number): number {
  return buffer[index] as number // below end
}
