import { guardedMicrotask } from '../../base/guard.ts'
import { type SharedCeiling, ShareLedgers } from '../../state/shares/share-ledgers.ts'
import type { ShareAnswer, SharePort, ShareRequest } from '../../state/shares/share-messages.ts'
import type { Channel } from './channel.ts'
import type { AskSupervisor, ToSupervisor, ToWorker } from './messages.ts'

/** A supervisor answers within a turn of its loop; one that does not has no time for anybody. */
const ANSWER_MS = 2_000

/**
 * What the workers of a host share of the ceilings of protected origins. What a worker had is free when its
 * process has ended, and not before: one that hangs still has its connections.
 */
export class HostShares {
  readonly #ledgers = new ShareLedgers({ isWhole: true })
  readonly #tell: (worker: number, of: readonly string[]) => void
  /** What workers were told to ask for again, and have not yet, by worker. */
  readonly #told = new Map<string, Set<string>>()

  /** `tell`: the worker would have another answer for these origins now. */
  constructor(tell: (worker: number, of: readonly string[]) => void) {
    this.#tell = tell
  }

  answer(worker: number, requests: readonly ShareRequest[], now: number): readonly ShareAnswer[] {
    const member = String(worker)
    const answers = requests.map(request => {
      this.#told.get(member)?.delete(request.of)
      return this.#ledgers.receive({ ...request, member }, now)
    })
    this.announce(now, new Set(requests.map(({ of }) => of)))
    return answers
  }

  /** The process has ended, and its connections with it. */
  onEnded(worker: number, now: number): void {
    this.#ledgers.onEnded(String(worker))
    this.#ledgers.forgetUnused()
    this.#told.delete(String(worker))
    this.announce(now)
  }

  /**
   * Tells those who would have another answer. `among`: left out, whatever is shared, since turns pass with
   * time.
   */
  announce(now: number, among?: Iterable<string>): void {
    const news = new Map<string, string[]>()
    for (const of of among ?? this.#ledgers.names)
      for (const member of this.#ledgers.due(of, now))
        if (this.#isNews(member, of)) news.set(member, [...(news.get(member) ?? []), of])
    for (const [member, of] of news) this.#tell(Number(member), of)
  }

  shown(): readonly SharedCeiling[] {
    return this.#ledgers.shown()
  }

  #isNews(member: string, of: string): boolean {
    const told = this.#told.get(member) ?? new Set()
    this.#told.set(member, told)
    if (told.has(of)) return false
    told.add(of)
    return true
  }
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
