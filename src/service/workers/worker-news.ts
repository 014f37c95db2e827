import type { Clock } from '../../entry/events.ts'
import {
  EjectionBoard,
  type EjectionNews,
  type HostNews,
  type NewsPort,
} from '../../state/shares/host-news.ts'
import type { Channel } from './channel.ts'
import type { AskSupervisor, ToSupervisor, ToWorker } from './messages.ts'

/** News of one worker that are passed on in a second; beyond that the others find out for themselves. */
const MAX_PER_SECOND = 200
const SECOND_MS = 1_000

interface WorkerNewsParts {
  /** To every worker but the one that says so. */
  readonly tell: (except: number, news: HostNews) => void
  readonly clock: Pick<Clock, 'now'>
}

/** What the workers of a host find out of origins, passed on among them by their supervisor. */
export class WorkerNews {
  readonly #parts: WorkerNewsParts
  readonly #board = new EjectionBoard()
  readonly #rates = new Map<number, { since: number; count: number }>()

  constructor(parts: WorkerNewsParts) {
    this.#parts = parts
  }

  onNews(worker: number, news: HostNews): void {
    const now = this.#parts.clock.now()
    if (!this.#isWithinRate(worker, now)) return
    this.#board.onNews(news, now)
    this.#parts.tell(worker, news)
  }

  /** For a worker that starts. */
  ejections(): readonly EjectionNews[] {
    return this.#board.lasting(this.#parts.clock.now())
  }

  onEnded(worker: number): void {
    this.#rates.delete(worker)
  }

  #isWithinRate(worker: number, now: number): boolean {
    const rate = this.#rates.get(worker)
    if (rate === undefined || now - rate.since >= SECOND_MS) {
      this.#rates.set(worker, { since: now, count: 1 })
      return true
    }
    rate.count += 1
    return rate.count <= MAX_PER_SECOND
  }
}

/** A worker's way to the others. `ejections`: what they had found out before it started. */
export function supervisorNews(
  channel: Channel<ToSupervisor, ToWorker, AskSupervisor>,
  ejections: readonly EjectionNews[],
  clock: Pick<Clock, 'now'>,
): NewsPort {
  const board = new EjectionBoard()
  for (const news of ejections) board.onNews(news, clock.now())
  let listener = (_news: HostNews): void => {}
  channel.receive('originNews', news => {
    board.onNews(news, clock.now())
    listener(news)
  })
  return {
    publish: news => void channel.send('originNews', news),
    onNews: next => {
      listener = next
    },
    ejections: origin => board.lasting(clock.now(), origin),
  }
}
