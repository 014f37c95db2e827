import { mostWaitingForTickets } from '../ticket-wait.ts'
import type { BenchClient } from './bench-client.ts'
import { driveLoad, type LoadSurroundings } from './drive-load.ts'
import { EachClient, type MakeOnShelf } from './each-client.ts'
import type { LoadJob } from './load-job.ts'
import type { LoadReport } from './load-report.ts'

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
