import type { ShareAnswer, ShareRequest } from './share-messages.ts'

export interface ShareMemberParts {
  readonly of: string
  /** No two members of a ledger have the same name. */
  readonly member: string
  /** How often it asks though nothing has changed, in ms: several times within a lease. */
  readonly renewMs: number
  /** That of the ledger, in ms. Infinity: what it was granted stands until another answer comes. */
  readonly leaseMs: number
  /** Greater than any number of an earlier member of this name. */
  readonly firstNumber: number
  /** It has the floor while the ledger does not answer; else nothing, and it only says what the floor is. */
  readonly takesFloor: boolean
}

/**
 * What it asks for again soon, it does after so long at the soonest; while that is vain, less and less often.
 */
const MIN_SOON_MS = 25
const MAX_SOON_MS = 400
/** For so long it goes on wanting what it has wanted: connections that are idle between two requests stay. */
const PEAK_MS = 1_000

/**
 * How a member stands with the ledger:
 *
 * - `new`: it has not been answered yet, and may have nothing. Valid transitions: granted, cut-off
 * - `granted`: what the ledger granted stands, until the lease is over. Valid transitions: granted, cut-off
 * - `cut-off`: the ledger does not answer, and the lease is over: the floor stands. Valid transitions:
 *   granted
 */
export type ShareState = 'new' | 'granted' | 'cut-off'

/**
 * What one process may have of a ceiling: asks for it, remembers it, and for how long it may go on with it.
 */
export class ShareMember {
  readonly #parts: ShareMemberParts
  #ceiling = 0
  #floor = 0
  #state: ShareState = 'new'
  #share = 0
  #until = -Infinity
  #number: number
  #askedAt = -Infinity
  #kept = 0
  #soonMs = MIN_SOON_MS
  #isAsking = false
  #isDue = false
  #peak = 0
  #peakAt = -Infinity
  #asked = 0
  #last: ShareAnswer | undefined

  constructor(parts: ShareMemberParts) {
    this.#parts = parts
    this.#number = parts.firstNumber
    this.#last = undefined
  }

  /** The ceiling, and what it may have of it while the ledger does not answer: from the next question on. */
  configure(ceiling: number, floor: number): void {
    this.#isDue ||= this.#ceiling !== ceiling
    this.#ceiling = ceiling
    this.#floor = Math.min(ceiling, floor)
  }

  get state(): ShareState {
    return this.#state
  }

  /** What it may have now. */
  get share(): number {
    return Math.min(this.#share, this.#ceiling)
  }

  /** Questions so far. */
  get asked(): number {
    return this.#asked
  }

  /** What the ledger said of all. Undefined: it has not answered yet. */
  get last(): ShareAnswer | undefined {
    return this.#last
  }

  /** It would have another answer now. */
  onNews(): void {
    this.#isDue = true
  }

  /** What it has a use for now. */
  onWants(wants: number, now: number): void {
    if (wants < this.#peak && now - this.#peakAt < PEAK_MS) return
    this.#peak = wants
    this.#peakAt = now
  }

  /** When to ask next; Infinity: an answer is to come first. */
  nextAt(holds: number): number {
    if (this.#isAsking) return Infinity
    if (this.#state === 'cut-off') return this.#askedAt + this.#parts.renewMs
    if (this.#isDue || Math.max(holds, this.#share) < this.#kept) return this.#askedAt + MIN_SOON_MS
    const lacks = this.#peak > this.#share && this.#share < this.#ceiling
    return this.#askedAt + (lacks ? this.#soonMs : this.#parts.renewMs)
  }

  /** When what it was granted ends unless another answer comes. */
  get endsAt(): number {
    return this.#state === 'granted' ? this.#until : Infinity
  }

  /** What to ask now. Until the answer comes it has no more than it `keeps`. */
  ask(holds: number, now: number): ShareRequest {
    const { of, member } = this.#parts
    this.#isAsking = true
    this.#isDue = false
    this.#askedAt = now
    this.#asked += 1
    this.#number += 1
    this.#kept = Math.max(holds, this.#share)
    return {
      of,
      member,
      number: this.#number,
      ceiling: this.#ceiling,
      keeps: this.#kept,
      wants: this.#peak,
      floor: this.#floor,
    }
  }

  /** True: what it may have has changed. */
  onAnswer(answer: ShareAnswer): boolean {
    if (!this.#isAsking || answer.number !== this.#number) return false
    this.#isAsking = false
    this.#state = 'granted'
    // The ledger received the question later than it was asked: its lease ends no sooner than ours.
    this.#until = this.#askedAt + this.#parts.leaseMs
    this.#last = answer
    const hasChanged = this.#take(answer.share)
    this.#soonMs = hasChanged ? MIN_SOON_MS : Math.min(2 * this.#soonMs, MAX_SOON_MS)
    return hasChanged
  }

  /** There was no answer. True: what it may have has changed. */
  onUnanswered(): boolean {
    this.#isAsking = false
    this.#soonMs = MAX_SOON_MS
    return this.#state === 'new' && this.#cutOff()
  }

  /** Time has passed. True: the lease is over, and what it may have has changed. */
  onTime(now: number): boolean {
    return now >= this.endsAt && this.#cutOff()
  }

  /** It goes away. */
  leave(): ShareRequest {
    const { of, member } = this.#parts
    this.#number += 1
    return { of, member, number: this.#number, ceiling: this.#ceiling, keeps: 0, wants: 0, leaves: true }
  }

  #cutOff(): boolean {
    this.#state = 'cut-off'
    return this.#take(this.#parts.takesFloor ? this.#floor : 0)
  }

  #take(share: number): boolean {
    const hasChanged = share !== this.#share
    this.#share = share
    return hasChanged
  }
}
