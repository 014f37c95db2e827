import type { BenchClient, ClientFacts, RequestEnd } from './bench-client.ts'
import type { DrivenClient } from './load-loop.ts'

/** A client for each request: made when it is due, and closed when it has ended. The next one finds what it left behind (tickets on disk). */
export class EachClient implements DrivenClient {
  readonly #make: () => Promise<BenchClient>
  readonly #live = new Set<BenchClient>()
  readonly #closing = new Set<Promise<void>>()
  #past: ClientFacts = {}

  constructor(make: () => Promise<BenchClient>) {
    this.#make = make
  }

  send(...[request, origin, watch]: Parameters<BenchClient['send']>): void {
    this.#make().then(
      client => {
        this.#live.add(client)
        client.send(request, origin, {
          onHead: () => watch.onHead(),
          onEnd: end => {
            this.#retire(client)
            watch.onEnd(end)
          },
        })
      },
      (error: unknown) => watch.onEnd(notMade(error)),
    )
  }

  /** Closing is no part of a request, but the next one of its place comes behind it. */
  whenFree(): Promise<void> | undefined {
    return this.#closing.size === 0 ? undefined : Promise.all(this.#closing).then(() => undefined)
  }

  facts(): ClientFacts {
    let facts = this.#past
    for (const client of this.#live) facts = addFacts(facts, client.facts())
    return facts
  }

  async close(): Promise<void> {
    for (const client of this.#live) this.#retire(client)
    await Promise.all(this.#closing)
  }

  #retire(client: BenchClient): void {
    const closing = client
      .close()
      .catch(() => {}) // its request has ended, and nobody asks any more
      .then(() => {
        if (!this.#live.delete(client)) return
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
