import { guardedMicrotask } from '../../base/guard.ts'
import type { Clock } from '../../entry/events.ts'
import type { ShareHolder } from '../../state/shares/share-keeper.ts'
import { type SharedCeiling, ShareLedgers } from '../../state/shares/share-ledgers.ts'
import type { ShareAnswer, SharePort, ShareRequest } from '../../state/shares/share-messages.ts'
import type { FleetShares } from '../fleet/fleet-shares.ts'
import type { Channel } from './channel.ts'
import type { AskSupervisor, ToSupervisor, ToWorker } from './messages.ts'

/** A supervisor answers within a turn of its loop; one that does not has no time for anybody. */
const ANSWER_MS = 2_000

/** With whom a host shares its ceilings. It says how much of each the host may have. */
type Fleet = Pick<FleetShares, 'configure' | 'look' | 'leave'>

export interface HostSharesParts {
  /** The worker would have another answer for these origins now. */
  readonly tell: (worker: number, of: readonly string[]) => void
  readonly clock: Pick<Clock, 'now'>
  /** Undefined: the host may have all of every ceiling. */
  readonly fleet: Fleet | undefined
}

/**
 * What the workers of a host share of the ceilings of protected origins. What a worker had is free when its
 * process has ended, and not before: one that hangs still has its connections.
 */
export class HostShares {
  readonly #ledgers: ShareLedgers
  readonly #parts: HostSharesParts
  /** What workers were told to ask for again, and have not yet, by worker. */
  readonly #told = new Map<string, Set<string>>()

  constructor(parts: HostSharesParts) {
    this.#parts = parts
    this.#ledgers = new ShareLedgers({ isWhole: parts.fleet === undefined })
  }

  answer(worker: number, requests: readonly ShareRequest[]): readonly ShareAnswer[] {
    const { clock, fleet } = this.#parts
    const member = String(worker)
    const answers = requests.map(request => {
      this.#told.get(member)?.delete(request.of)
      return this.#ledgers.receive({ ...request, member }, clock.now())
    })
    for (const { of, ceiling, floor = 0, leaves } of requests)
      if (leaves !== true) fleet?.configure(of, ceiling, floor, this.#holderOf(of))
    this.#onChanged(new Set(requests.map(({ of }) => of)))
    return answers
  }

  /** The process has ended, and its connections with it. */
  onEnded(worker: number): void {
    this.#ledgers.onEnded(String(worker))
    this.#told.delete(String(worker))
    this.#onChanged([...this.#ledgers.names])
  }

  /**
   * Tells those who would have another answer. `among`: left out, whatever is shared, since turns pass with
   * time.
   */
  announce(among?: Iterable<string>): void {
    const now = this.#parts.clock.now()
    const news = new Map<string, string[]>()
    for (const of of among ?? this.#ledgers.names)
      for (const member of this.#ledgers.due(of, now))
        if (this.#isNews(member, of)) news.set(member, [...(news.get(member) ?? []), of])
    for (const [member, of] of news) this.#parts.tell(Number(member), of)
  }

  shown(): readonly SharedCeiling[] {
    return this.#ledgers.shown()
  }

  /** What is held or wanted of them is not what it was. */
  #onChanged(names: Iterable<string>): void {
    const { fleet } = this.#parts
    for (const of of this.#ledgers.forgetUnused()) fleet?.leave(of)
    for (const of of names) fleet?.look(of)
    this.announce(names)
  }

  /** The host as the fleet has it. */
  #holderOf(of: string): ShareHolder {
    const ledgers = this.#ledgers
    return {
      get holds() {
        return ledgers.of(of).holds
      },
      get wants() {
        return ledgers.of(of).wants
      },
      set: share => {
        ledgers.setLimit(of, share)
        this.announce([of])
      },
    }
  }

  #isNews(member: string, of: string): boolean {
    const told = this.#told.get(member) ?? new Set()
    this.#told.set(member, told)
    if (told.has(of)) return false
    told.add(of)
    return true
  }
}

/** The one process of a host that has no workers, and shares with its fleet. */
export function ownShares(sharesTo: (tell: HostSharesParts['tell']) => HostShares): {
  readonly host: HostShares
  readonly port: SharePort
} {
  let onNews = (_of: string): void => {}
  const host = sharesTo((_, of) => {
    for (const each of of) onNews(each)
  })
  const port: SharePort = {
    ask: async request => {
      const [answer] = host.answer(0, [request])
      if (answer === undefined) throw new Error('no answer')
      return answer
    },
    onNews: listener => {
      onNews = listener
    },
  }
  return { host, port }
}

/** A worker's way to the ledgers of its supervisor: what is asked within one turn goes in one message. */
export function supervisorShares(channel: Channel<ToSupervisor, ToWorker, AskSupervisor>): SharePort {
  let waiting: { request: ShareRequest; resolve(answer: ShareAnswer): void; reject(error: unknown): void }[] =
    []
  const flush = (): void => {
    const asked = waiting
    waiting = []
    const requests = asked.map(({ request }) => request)
    channel.ask('shares', requests, ANSWER_MS).then(
      answers => {
        for (const [index, one] of asked.entries()) {
          const answer = answers[index]
          if (answer === undefined) one.reject(new Error('no answer'))
          else one.resolve(answer)
        }
      },
      (error: unknown) => {
        for (const one of asked) one.reject(error)
      },
    )
  }
  return {
    ask: request =>
      new Promise((resolve, reject) => {
        waiting.push({ request, resolve, reject })
        if (waiting.length === 1) guardedMicrotask('asking for shares', flush)
      }),
    onNews: listener =>
      channel.receive('sharesChanged', ({ of }) => {
        for (const each of of) listener(each)
      }),
  }
}
