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

interface AddressChangesOptions {
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

/** The connections of one pool, where some lead to addresses that have left the answers. */
export interface DrainSituation {
  /** Those that are open, the leaving ones among them. */
  readonly open: number
  /** Those that lead to an address that has left, and still take requests. */
  readonly leaving: number
  /** All that take requests, the leaving ones among them. */
  readonly serving: number
  /** Requests that wait for a connection. */
  readonly waiters: number
  /** The pool may make another connection. */
  readonly hasRoom: boolean
  /** The pool carried requests lately: somebody would wait for a handshake. */
  readonly isInUse: boolean
  /** A connection to replace them was asked for, and did not come. */
  readonly cannotReplace: boolean
}

/**
 * `drain`: so many of the leaving ones get no more requests; `replace`: first make a connection; `wait`: not
 * now, until the next answer.
 */
type DrainStep =
  | { readonly kind: 'drain'; readonly connections: number }
  | { readonly kind: 'replace' }
  | { readonly kind: 'wait' }

/**
 * At most this share of the open connections is drained in one step, and one at the least. A step takes a
 * second.
 */
const SHARE_PER_STEP = 0.1

/**
 * What is done in one step with connections to addresses that have left. In this order:
 *
 * 1. There is another connection that takes requests: a tenth of the open ones is drained.
 * 2. Nobody uses the pool: likewise, since nobody would wait for a handshake.
 * 3. A connection to an address of now can be made: it is made first, so that nobody waits for it.
 * 4. It could not be made: they stay. What the DNS says is of no use if nobody answers there.
 * 5. The pool is full of leaving ones: they make room, and the last one stays as long as requests wait.
 */
export function drainStep(situation: DrainSituation): DrainStep {
  const { open, leaving, serving, waiters, hasRoom, isInUse, cannotReplace } = situation
  if (leaving === 0) return { kind: 'wait' }
  const quota = Math.min(leaving, Math.max(1, Math.floor(open * SHARE_PER_STEP)))
  if (serving > leaving || !isInUse) return { kind: 'drain', connections: quota } // 1, 2
  if (hasRoom) return cannotReplace ? { kind: 'wait' } : { kind: 'replace' } // 3, 4
  const most = waiters > 0 ? leaving - 1 : leaving // 5
  return most === 0 ? { kind: 'wait' } : { kind: 'drain', connections: Math.min(quota, most) }
}
