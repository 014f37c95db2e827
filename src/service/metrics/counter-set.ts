/**
 * Counters that differ in one word (a status class, a reason). The words are few and known to the code, so
 * that the set is bounded by itself.
 */
export class CounterSet<Word extends string> {
  readonly #counts = new Map<Word, number>()

  add(word: Word, amount = 1): void {
    this.#counts.set(word, (this.#counts.get(word) ?? 0) + amount)
  }

  get(word: Word): number {
    return this.#counts.get(word) ?? 0
  }

  entries(): IterableIterator<[Word, number]> {
    return this.#counts.entries()
  }
}
