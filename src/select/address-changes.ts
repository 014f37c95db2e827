/**
 * Answers in a row that have to lack an address before it is thought to be gone, where none has ever come
 * back.
 */
export const MIN_PATIENCE = 3
/**
 * The same, however long an address was away before it came back: at the default of `dnsRefreshMs` ten
 * minutes.
 */
export const MAX_PATIENCE = 20
/** Who has more addresses than that answers with subsets, and is never drained from. */
const MAX_ADDRESSES = 256

export interface AddressChangesOptions {
  /**
   * What lies between two answers that count: one that comes sooner counts for what it has, and not for what
   * it lacks.
   */
  readonly intervalMs: number
}

/**
 * Which addresses have left the DNS answers for one name. One answer says little: large CDNs and weighted
 * records answer with another subset each time, and connections that were drained for that would only be made
 * again. An address has left when the last answers that counted, `patience` of them in a row,
 *
 * 1. all lacked it, as did every answer since, and
 * 2. were all the same set: who answers with another subset each time never comes to rest.
 *
 * `patience` is 3, and more than twice the longest absence after which any address of the name came back, up
 * to 20: who rotates slowly, or fails over and back, is waited for from the second time on. Only answers come
 * here: a failure or an empty answer says nothing.
 */
export class AddressChanges {
  readonly #intervalMs: number
  /** The number of the last answer that had each address, the longest unheard-of first. */
  readonly #lastIn = new Map<string, number>()
  /** Answers that counted. */
  #answers = 0
  #countedAt = Number.NEGATIVE_INFINITY
  /** The last answer, sorted. */
  #lastSet = ''
  /** How many of the last answers that counted were that set. */
  #atRest = 0
  #longestAbsence = 0

  constructor({ intervalMs }: AddressChangesOptions) {
    this.#intervalMs = intervalMs
  }

  /** Answers that have to lack an address, going by what is known of the name. */
  get patience(): number {
    return Math.min(MAX_PATIENCE, Math.max(MIN_PATIENCE, 2 * this.#longestAbsence + 1))
  }

  /** The system answered; not from a cache. */
  onAnswer(addresses: readonly string[], now: number): void {
    if (addresses.length === 0) return
    const counts = now - this.#countedAt >= this.#intervalMs
    const set = addresses.toSorted().join()
    if (set !== this.#lastSet) this.#atRest = 0
    this.#lastSet = set
    for (const address of addresses) this.#onSeen(address)
    if (!counts) return
    this.#countedAt = now
    this.#answers += 1
    this.#atRest += 1
    for (const address of addresses) this.#keep(address)
  }

  /**
   * Whether connections to the address are to be drained. One that no answer had so far is counted from the
   * first time that it is asked for.
   */
  hasLeft(address: string): boolean {
    const lastIn = this.#lastIn.get(address)
    if (lastIn === undefined) {
      this.#keep(address)
      return false
    }
    return Math.min(this.#answers - lastIn, this.#atRest) >= this.patience
  }

  /** The network has changed: other resolvers may answer otherwise. */
  reset(): void {
    this.#lastIn.clear()
    this.#answers = 0
    this.#countedAt = Number.NEGATIVE_INFINITY
    this.#lastSet = ''
    this.#atRest = 0
    this.#longestAbsence = 0
  }

  #onSeen(address: string): void {
    const lastIn = this.#lastIn.get(address)
    if (lastIn !== undefined) this.#longestAbsence = Math.max(this.#longestAbsence, this.#answers - lastIn)
    this.#keep(address)
  }

  /** The longest unheard-of makes room. */
  #keep(address: string): void {
    this.#lastIn.delete(address)
    this.#lastIn.set(address, this.#answers)
    if (this.#lastIn.size <= MAX_ADDRESSES) return
    const first = this.#lastIn.keys().next()
    if (first.done !== true) this.#lastIn.delete(first.value)
  }
}
