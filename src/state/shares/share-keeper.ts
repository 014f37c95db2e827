import type { Clock, Timer } from '../../base/clock.ts'
import { guardedPromise } from '../../base/guard.ts'
import { ShareMember, type ShareMemberParts, type ShareState } from './share-member.ts'
import type { SharePort } from './share-messages.ts'

/**
 * Who has a share of a ceiling: the connections of a process, or what a host has shared out among its
 * workers.
 */
export interface ShareHolder {
  /** What it has. Never more than set(), but for what was there before. */
  readonly holds: number
  /** What it has a use for. */
  readonly wants: number
  /** So much it may have from now on; it ends what is beyond that as soon as it can. */
  set(share: number): void
}

export interface ShareKeeperParts extends ShareMemberParts {
  readonly holder: ShareHolder
  readonly port: SharePort
  readonly clock: Clock
}

/**
 * How a member of a ceiling stands.
 *
 * @example
 * ```ts
 * for (const { protection } of transport.stats().pools)
 *   if (protection?.shared?.state === 'cut-off') console.log('nobody says how much may be had')
 * ```
 */
export interface ShareFigures {
  readonly share: number
  readonly state: ShareState
  /** Questions to the ledger. */
  readonly asked: number
  /** Of all members, as the ledger said last. Undefined: it has not answered yet. */
  readonly all:
    | { readonly limit: number; readonly members: number; readonly wanted: number; readonly granted: number }
    | undefined
}

const DURING = 'the share of a ceiling'

/** Asks the ledger when there is a reason to, and lets the holder have what it answers. */
export class ShareKeeper {
  readonly #parts: ShareKeeperParts
  readonly #member: ShareMember
  #timer: Timer | undefined
  #timerAt = Infinity
  #isOver = false

  constructor(parts: ShareKeeperParts) {
    this.#parts = parts
    this.#member = new ShareMember(parts)
    this.#timer = undefined
  }

  /** See ShareMember.configure. */
  configure(ceiling: number, floor: number): void {
    this.#member.configure(ceiling, floor)
    this.#parts.holder.set(this.#member.share)
    this.look()
  }

  /** The ledger would answer otherwise now. */
  onNews(): void {
    this.#member.onNews()
    this.look()
  }

  /** What the holder has, or has a use for, has changed. Cheap to call often. */
  look(): void {
    if (this.#isOver) return
    const { holder, clock } = this.#parts
    this.#member.onWants(holder.wants, clock.now())
    const at = Math.min(this.#member.nextAt(holder.holds), this.#member.endsAt)
    if (at >= this.#timerAt || at === Infinity) return
    this.#timer?.cancel()
    this.#timerAt = at
    this.#timer = clock.setTimer(Math.max(0, at - clock.now()), () => this.#onTimer())
  }

  get figures(): ShareFigures {
    const { share, state, asked, last } = this.#member
    const all = last && {
      limit: last.limit,
      members: last.members,
      wanted: last.wanted,
      granted: last.granted,
    }
    return { share, state, asked, all }
  }

  /**
   * The holder has nothing any more, and will not: others may have the share. Resolves when the ledger knows,
   * or does not answer; its lease ends by itself then.
   */
  async leave(): Promise<void> {
    if (this.#isOver) return
    this.#isOver = true
    this.#timer?.cancel()
    await this.#parts.port.ask(this.#member.leave()).catch(() => {})
  }

  #onTimer(): void {
    this.#timerAt = Infinity
    const { holder, clock } = this.#parts
    const now = clock.now()
    if (this.#member.onTime(now)) holder.set(this.#member.share)
    if (now >= this.#member.nextAt(holder.holds)) this.#ask(now)
    this.look()
  }

  #ask(now: number): void {
    const { holder, port } = this.#parts
    const request = this.#member.ask(holder.holds, now)
    const answered = port
      .ask(request)
      .then(
        answer => this.#member.onAnswer(answer),
        () => this.#member.onUnanswered(),
      )
      .then(hasChanged => {
        if (this.#isOver) return
        if (hasChanged) holder.set(this.#member.share)
        this.look()
      })
    guardedPromise(DURING, answered)
  }
}
