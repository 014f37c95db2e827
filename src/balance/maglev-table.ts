import { keyHash } from './request-key.ts'

/** A member of the table. */
export interface MaglevMember {
  /** What its place hangs on: the same name gets the same places in every process. */
  readonly name: string
  /** Its index, as the table answers. */
  readonly index: number
  readonly weight: number
}

/**
 * Primes: a permutation of the table is offset and step, and every step is then prime to the size. In a table
 * of another size every key has another place, so that the smaller one is for as many members as an origin
 * has at most times; it is filled in some 2 ms.
 */
const SIZE = 16_381
const MAX_SIZE = 65_537
/** Places per member, so that shares differ from weights by two hundredths or so. */
const PLACES_PER_WEIGHT = 60

const OFFSET_SEED = 1
const STEP_SEED = 2
const KEY_SEED = 3

/** Places of a table for members of these weights: it stays the same while members come and go. */
export function maglevSize(weights: readonly number[]): number {
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  const wanted = (total / Math.min(...weights)) * PLACES_PER_WEIGHT
  return wanted > SIZE ? MAX_SIZE : SIZE
}

/**
 * Maglev's consistent hash (Eisenbud et al., NSDI 2016, section 3.4): each member fills the table along a
 * permutation of its own, in turns, as often as its weight says. A lookup is one hash; when a member comes or
 * goes, few keys of the others move.
 */
export class MaglevTable {
  readonly #places: Int32Array

  /** At least one member. `size`: maglevSize() of all members that may be. */
  constructor(members: readonly MaglevMember[], size: number) {
    this.#places = fill(members, size)
  }

  /** The members for the key, in the order in which they stand in for each other, each once. */
  *candidates(key: string): Generator<number> {
    const places = this.#places
    const start = keyHash(key, KEY_SEED) % places.length
    const seen = new Set<number>()
    for (let i = 0; i < places.length; i += 1) {
      const member = places[(start + i) % places.length]
      if (member === undefined || seen.has(member)) continue
      seen.add(member)
      yield member
    }
  }

  /** The member for the key. */
  lookup(key: string): number {
    const places = this.#places
    return places[keyHash(key, KEY_SEED) % places.length] ?? 0
  }
}

function fill(members: readonly MaglevMember[], size: number): Int32Array {
  const places = new Int32Array(size).fill(-1)
  const heaviest = Math.max(...members.map(({ weight }) => weight))
  // By name, so that the order of a list does not matter.
  const fillers = [...members]
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, index, weight }) => ({
      index,
      share: weight / heaviest,
      due: 0,
      at: keyHash(name, OFFSET_SEED) % size,
      step: (keyHash(name, STEP_SEED) % (size - 1)) + 1,
    }))
  for (let filled = 0; ; ) {
    for (const filler of fillers) {
      filler.due += filler.share
      if (filler.due < 1) continue
      filler.due -= 1
      let { at } = filler
      while (places[at] !== -1) {
        at += filler.step
        if (at >= size) at -= size // a division takes as long as all the rest
      }
      places[at] = filler.index
      filler.at = at
      filled += 1
      if (filled === size) return places
    }
  }
}
