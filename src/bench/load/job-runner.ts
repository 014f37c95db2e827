import { type BenchClient, type ClientFacts, mostWaitingForTickets, type RequestEnd } from './bench-client.ts'
import type { LoadJob } from './load-job.ts'
import { type DrivenClient, driveLoad, type LoadSurroundings } from './load-loop.ts'
import type { LoadReport } from './load-tally.ts'

/** [D] Runs jobs one after another, and has the client that is kept between them. */
export class JobRunner {
  readonly #make: MakeOnShelf
  readonly #keepsTickets: boolean
  readonly #surroundings: LoadSurroundings
  #kept: BenchClient | undefined

  /** `keepsTickets`: a client waits for them before it closes. */
  constructor(make: MakeOnShelf, surroundings: LoadSurroundings, keepsTickets = false) {
    this.#make = make
    this.#keepsTickets = keepsTickets
    this.#surroundings = surroundings
  }

  /** Rejects when no client can be made. */
  async run(job: LoadJob): Promise<LoadReport> {
    if (job.client === 'fresh') return await this.#runOnce(job, await this.#make(0))
    if (job.client === 'each') return await this.#runOnce(job, this.#eachClient(job))
    this.#kept ??= await this.#make(0)
    const report = await driveLoad(job, this.#kept, this.#surroundings)
    // Requests may hang in it that were given up: the next job shall not meet them.
    if (report.stoppedBecause !== undefined) await this.close()
    return report
  }

  async close(): Promise<void> {
    const client = this.#kept
    this.#kept = undefined
    if (client !== undefined) await closeSoon(client)
  }

  /**
   * Whoever comes at a rate does not ask whether those before have their tickets: waiting for a place would
   * be in the latency.
   */
  #eachClient({ arrival }: LoadJob): EachClient {
    const isFree = this.#keepsTickets && arrival.kind === 'open'
    return new EachClient(this.#make, isFree ? mostWaitingForTickets(arrival.perSecond) : 0)
  }

  async #runOnce(job: LoadJob, client: BenchClient): Promise<LoadReport> {
    try {
      return await driveLoad(job, client, this.#surroundings)
    } finally {
      await closeSoon(client)
    }
  }
}

const CLOSE_MS = 5_000

/** A client that does not close is left to the end of its process. */
async function closeSoon(client: BenchClient): Promise<void> {
  await new Promise<void>(resolve => {
    const timer = setTimeout(resolve, CLOSE_MS)
    client
      .close()
      .catch(() => {}) // what it complains of now has no request any more
      .finally(() => {
        clearTimeout(timer)
        resolve()
      })
  })
}

/**
 * Makes a client that finds what the one before it on the same shelf has left behind (tickets on disk). No
 * two that live have the same one.
 */
export type MakeOnShelf = (shelf: number) => Promise<BenchClient>

/** A client for each request: made when it is due, and closed when it has ended. */
export class EachClient implements DrivenClient {
  readonly #make: MakeOnShelf
  readonly #mostClosing: number
  readonly #freeShelves: number[] = []
  #shelves = 0
  readonly #live = new Map<BenchClient, number>()
  readonly #closing = new Set<Promise<void>>()
  #past: ClientFacts = {}

  /** `mostClosing`: so many may be closing without holding up others. */
  constructor(make: MakeOnShelf, mostClosing = 0) {
    this.#make = make
    this.#mostClosing = mostClosing
  }

  send(...[request, origin, watch]: Parameters<BenchClient['send']>): void {
    const shelf = this.#freeShelves.pop() ?? this.#shelves++
    this.#make(shelf).then(
      client => {
        this.#live.set(client, shelf)
        client.send(request, origin, {
          onHead: () => watch.onHead(),
          onEnd: end => {
            this.#retire(client)
            watch.onEnd(end)
          },
        })
      },
      (error: unknown) => {
        this.#freeShelves.push(shelf)
        watch.onEnd(notMade(error))
      },
    )
  }

  /** Closing is no part of a request, but where too many do so the next one of its place comes behind it. */
  whenFree(): Promise<void> | undefined {
    return this.#closing.size <= this.#mostClosing
      ? undefined
      : Promise.all(this.#closing).then(() => undefined)
  }

  facts(): ClientFacts {
    let facts = this.#past
    for (const client of this.#live.keys()) facts = addFacts(facts, client.facts())
    return facts
  }

  async close(): Promise<void> {
    for (const client of this.#live.keys()) this.#retire(client)
    await Promise.all(this.#closing)
  }

  #retire(client: BenchClient): void {
    const closing = client
      .close()
      .catch(() => {}) // its request has ended, and nobody asks any more
      .then(() => {
        const shelf = this.#live.get(client)
        if (shelf === undefined) return
        this.#live.delete(client)
        this.#freeShelves.push(shelf)
        const { opened } = client.facts()
        if (opened !== undefined) this.#past = addFacts(this.#past, { opened })
      })
      .finally(() => this.#closing.delete(closing))
    this.#closing.add(closing)
  }
}

function notMade(error: unknown): RequestEnd {
  return { status: 0, bytes: 0, error: error instanceof Error ? error : new Error(String(error)) }
}

function addFacts(a: ClientFacts, b: ClientFacts): ClientFacts {
  const opened = a.opened ?? b.opened
  return {
    ...(opened !== undefined && {
      opened: {
        full: (a.opened?.full ?? 0) + (b.opened?.full ?? 0),
        resumed: (a.opened?.resumed ?? 0) + (b.opened?.resumed ?? 0),
        earlyData: (a.opened?.earlyData ?? 0) + (b.opened?.earlyData ?? 0),
        cleartext: (a.opened?.cleartext ?? 0) + (b.opened?.cleartext ?? 0),
      },
    }),
    ...((a.open ?? b.open) !== undefined && { open: (a.open ?? 0) + (b.open ?? 0) }),
  }
}
