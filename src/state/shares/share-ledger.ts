import { fairShares } from './fair-shares.ts'
import type { ShareAnswer, ShareRequest } from './share-messages.ts'

/** A member as the ledger knows it. Plain data, since a ledger may be kept outside of every process. */
interface Entry {
  readonly number: number
  /** What it may have. */
  readonly granted: number
  readonly wants: number
  /** What it was answered. Less than what is granted: it is to give back. */
  readonly answered: number
  /** When it counts as gone unless it asks again; left out: never. */
  readonly until?: number
}

/** One ceiling as plain data. */
export interface LedgerSnapshot {
  readonly members: Readonly<Record<string, Entry>>
}

export interface ShareLedgerOptions {
  /**
   * For how long a member that does not ask again is believed to have what it was granted, in ms. Infinity:
   * for ever.
   */
  readonly leaseMs: number
  /** Where there is less than one for each who wants one, shares move on so often, in ms. */
  readonly turnMs: number
  /**
   * Until then nobody gets more than it says it has: members of an earlier ledger, which was lost, may be
   * about to ask again. Default 0: there was none.
   */
  readonly recoversUntil?: number
  /**
   * How much of what nobody wants is spread ahead of need; the rest is there for newcomers at once.
   * Default 1: all.
   */
  readonly spreads?: number
}

/** Members of one ceiling; one more gets nothing until another one has gone. */
const MAX_MEMBERS = 1_000

/**
 * Who may have how much of one ceiling. What is granted is never more than the ceiling in all, whatever
 * messages are lost, late, doubled or out of order:
 * 1. Only the ledger grants, and only from what nobody has.
 * 2. Only a member gives back, by asking with a smaller `keeps`: it has taken no more by then, and takes no
 *    more
 *    until it is answered. A message that is older than the last one says nothing.
 * 3. A member that does not ask again within the lease is gone, and what it had is free. One that comes back
 * after that, with connections that it kept, is believed, so that the ceiling is exceeded by these until it
 *    has ended them: nothing else can be done, since they are there.
 *
 * Shares are max-min fair by what members want; what nobody wants is spread evenly, so that a first
 * connection needs no question. Where somebody lacks its fair share, those who have more than theirs are
 * asked to give back.
 */
export class ShareLedger {
  readonly #options: ShareLedgerOptions
  readonly #members: Map<string, Entry>

  constructor(options: ShareLedgerOptions, snapshot?: LedgerSnapshot) {
    this.#options = options
    this.#members = new Map(Object.entries(snapshot?.members ?? {}))
  }

  /**
   * `limit`: what there is to share, where that is less than the ceiling. Throws nothing: a message that
   * makes no sense is one of a member that has and wants nothing.
   */
  receive(request: ShareRequest, now: number, limit = Infinity): ShareAnswer {
    this.#expire(now)
    const { member, number } = request
    const known = this.#members.get(member)
    const ceiling = Math.min(whole(request.ceiling), limit)
    if (known !== undefined && number <= known.number) return this.#answer(number, known.granted, ceiling)
    if (request.leaves === true) {
      this.#members.delete(member)
      return this.#answer(number, 0, ceiling)
    }
    const keeps = whole(request.keeps)
    if (known === undefined && this.#members.size >= MAX_MEMBERS) return this.#answer(number, keeps, ceiling)
    const { leaseMs } = this.#options
    const lease = leaseMs === Infinity ? {} : { until: now + leaseMs }
    const entry = { number, granted: keeps, answered: keeps, wants: whole(request.wants), ...lease }
    this.#members.set(member, entry)
    const plan = this.#plan(ceiling, now)
    const { granted, share } =
      plan === undefined ? { granted: keeps, share: keeps } : decide(plan, member, entry)
    this.#members.set(member, { ...entry, granted, answered: share })
    return this.#answer(number, share, ceiling)
  }

  /**
   * Where somebody lacks something, or there is less to share than is granted: members that would have
   * another answer, if they asked now, than they had last.
   */
  due(ceiling: number, now: number): string[] {
    this.#expire(now)
    const plan = this.#plan(ceiling, now)
    if (plan === undefined || (plan.lacking === 0 && plan.free >= 0)) return []
    return [...this.#members]
      .filter(([name, entry]) => decide(plan, name, entry).share !== entry.answered)
      .map(([name]) => name)
  }

  /** The member is known to be gone: nobody has to wait for the end of its lease. */
  remove(member: string): void {
    this.#members.delete(member)
  }

  get snapshot(): LedgerSnapshot {
    return { members: Object.fromEntries(this.#members) }
  }

  get granted(): number {
    return sum(this.#members.values(), entry => entry.granted)
  }

  get wanted(): number {
    return sum(this.#members.values(), entry => entry.wants)
  }

  get size(): number {
    return this.#members.size
  }

  /** Undefined: nothing is granted yet. */
  #plan(ceiling: number, now: number): Plan | undefined {
    const { recoversUntil = 0, turnMs, spreads = 1 } = this.#options
    if (now < recoversUntil) return undefined
    const members = [...this.#members].sort(([a], [b]) => (a < b ? -1 : 1))
    const wants = members.map(([, { wants }]) => wants)
    const shares = fairShares(wants, ceiling, Math.floor(now / turnMs))
    const fair = new Map(members.map(([name], index) => [name, shares[index] ?? 0]))
    const free = ceiling - this.granted // less than 0 where somebody came back, or there is less to share
    const spare = spreads * (ceiling - sum(shares, share => share))
    return { fair, free, spare, lacking: sum(members, ([name, entry]) => lackOf(fair, name, entry)) }
  }

  #expire(now: number): void {
    for (const [member, { until = Infinity }] of this.#members) if (until <= now) this.#members.delete(member)
  }

  #answer(number: number, share: number, limit: number): ShareAnswer {
    return { number, share, limit, members: this.#members.size, wanted: this.wanted, granted: this.granted }
  }
}

/** How a ceiling is to be shared now. */
interface Plan {
  readonly fair: ReadonlyMap<string, number>
  /** What all members lack of it. */
  readonly lacking: number
  /** What nobody has. */
  readonly free: number
  /** What is spread though nobody wants it. */
  readonly spare: number
}

function lackOf(fair: Plan['fair'], member: string, { granted }: Entry): number {
  return Math.max(0, (fair.get(member) ?? 0) - granted)
}

/** What a member that asks is granted, and what it is to come down to. */
function decide(
  { fair, free, spare, lacking }: Plan,
  member: string,
  entry: Entry,
): { readonly granted: number; readonly share: number } {
  const own = fair.get(member) ?? 0
  const due = Math.max(0, Math.min(free, own - entry.granted))
  const granted = entry.granted + due
  /** What others lack beyond what is free. */
  const missing = lacking - lackOf(fair, member, entry) - free + due
  if (missing > 0) return { granted, share: Math.max(Math.min(own, granted), granted - missing) }
  const even = own + Math.floor(spare / fair.size)
  const share = granted + Math.min(-missing, Math.max(0, even - granted))
  return { granted: share, share }
}

function whole(value: unknown): number {
  return typeof value === 'number' && value >= 0 && Number.isSafeInteger(Math.floor(value))
    ? Math.floor(value)
    : 0
}

function sum<T>(values: Iterable<T>, of: (value: T) => number): number {
  let total = 0
  for (const value of values) total += of(value)
  return total
}
