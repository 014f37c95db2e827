import { performance } from 'node:perf_hooks'

/** Grows with every change of the loop: figures of different loops cannot be compared. */
export const CALIBRATION_VERSION = 1

/*
 * A fixed piece of work that has nothing to do with our code: look-ups by name with a little arithmetic on
 * what is found, and an interpreter of a small program. Like our code it keeps several units of a core busy
 * at a time: where a neighbor takes his share of the core, both take up to twice as long. (A chain of
 * dependent loads or of multiplications was tried first: it then takes a tenth longer, and corrects nothing.)
 * It reports how fast the core is in these milliseconds. It reports nothing of memory beyond the first
 * caches, of the kernel, or of how many cores are left to the garbage collector and the compiler: what of a
 * case depends on those is corrected by the wrong measure.
 */
interface Entry {
  readonly number: number
  readonly weight: number
}
const NAMES = Array.from({ length: 64 }, (_, i) => `name-${i}`)
const ENTRIES = new Map(NAMES.map((name, i): [string, Entry] => [name, { number: i, weight: 2 * i }]))
const PROGRAM = Uint8Array.from({ length: 64 }, (_, i) => i % 5)
const LOOKUP_ROUNDS = 8
const PROGRAM_ROUNDS = 60
/** So that the compiler cannot leave the work out. */
let outcome = 1

function lookUp(): void {
  let sum = outcome
  for (let round = 0; round < LOOKUP_ROUNDS; round++) {
    for (const name of NAMES) {
      const entry = ENTRIES.get(name)
      if (entry === undefined) throw new Error(`${name} is gone`)
      sum = (entry.number & 1) === 1 ? (sum + entry.weight) | 0 : (sum - entry.number) | 0
    }
  }
  outcome = sum
}

function interpret(): void {
  let x = outcome
  let y = 1
  for (let round = 0; round < PROGRAM_ROUNDS; round++) {
    for (let i = 0; i < PROGRAM.length; i++) {
      switch (PROGRAM[i]) {
        case 0:
          x = (x + y) | 0
          break
        case 1:
          y ^= i
          break
        case 2:
          x = (x - i) | 0
          break
        case 3:
          y = (y + 1) | 0
          break
        default:
          x ^= y
      }
    }
  }
  outcome = x
}

/** ms of one run of the loop, each of so many. */
export function timeCalibration(runs: number): number[] {
  return Array.from({ length: runs }, () => {
    const before = performance.now()
    lookUp()
    interpret()
    return performance.now() - before
  })
}
