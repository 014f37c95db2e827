/**
 * `npm run soak` runs the long forms of the tests that take a volume: as many requests, bytes or repetitions as a
 * machine with time can make. CI asserts the same on fewer.
 */
const IS_SOAK = process.env['MIDDLEMILE_SOAK'] === '1'

/** How much of something a test makes: in CI, and in `npm run soak`. */
export function volume(inCi: number, inSoak: number): number {
  return IS_SOAK ? inSoak : inCi
}
