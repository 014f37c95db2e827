import { ShareLedger } from './share-ledger.ts'
import type { ShareAnswer, ShareRequest } from './share-messages.ts'

/** Where there is less than one for each who wants one, shares move on so often: a handshake each time. */
const TURN_MS = 500

/** One ceiling that is shared, as it is shown. */
export interface SharedCeiling {
  readonly of: string
  /** What there is to share. */
  readonly limit: number
  readonly members: number
  readonly wanted: number
  readonly granted: number
}

interface Shared {
  readonly ledger: ShareLedger
  /** As it was last configured. */
  ceiling: number
  /** What there is to share, where that is less. */
  limit: number
}

/**
 * The ledgers of a host, by what is shared. Its members are processes, and what those had is free when they
 * end.
 */
export class ShareLedgers {
  readonly #all = new Map<string, Shared>()
  readonly #isWhole: boolean

  /** `isWhole`: the host may have all of every ceiling; else nothing before setLimit(). */
  constructor({ isWhole }: { readonly isWhole: boolean }) {
    this.#isWhole = isWhole
  }

  receive(request: ShareRequest, now: number): ShareAnswer {
    const shared = this.#all.get(request.of) ?? this.#add(request.of)
    shared.ceiling = request.ceiling
    return shared.ledger.receive(request, now, shared.limit)
  }

  /** The process has ended, and its connections with it. */
  onEnded(member: string): void {
    for (const { ledger } of this.#all.values()) ledger.remove(member)
  }

  /** So much of it there is for the host. */
  setLimit(of: string, limit: number): void {
    const shared = this.#all.get(of)
    if (shared !== undefined) shared.limit = limit
  }

  /** What has no members any more is not kept. Answers with that. */
  forgetUnused(): string[] {
    const unused = [...this.#all].filter(([, { ledger }]) => ledger.size === 0).map(([of]) => of)
    for (const of of unused) this.#all.delete(of)
    return unused
  }

  /** What is shared, by name. */
  get names(): Iterable<string> {
    return this.#all.keys()
  }

  /** Who would have another answer now. */
  due(of: string, now: number): readonly string[] {
    const shared = this.#all.get(of)
    return shared === undefined ? [] : shared.ledger.due(Math.min(shared.ceiling, shared.limit), now)
  }

  shown(): SharedCeiling[] {
    return [...this.#all].map(([of, { ledger, ceiling, limit }]) => ({
      of,
      limit: Math.min(ceiling, limit),
      members: ledger.size,
      wanted: ledger.wanted,
      granted: ledger.granted,
    }))
  }

  /** What its members have, and have a use for. */
  of(of: string): { readonly holds: number; readonly wants: number } {
    const ledger = this.#all.get(of)?.ledger
    return { holds: ledger?.granted ?? 0, wants: ledger?.wanted ?? 0 }
  }

  #add(of: string): Shared {
    const ledger = new ShareLedger({ leaseMs: Infinity, turnMs: TURN_MS })
    const shared = { ledger, ceiling: 0, limit: this.#isWhole ? Infinity : 0 }
    this.#all.set(of, shared)
    return shared
  }
}
