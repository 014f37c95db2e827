import type { BenchClient, ClientFacts, RequestEnd } from './bench-client.ts'
import type { DrivenClient } from './load-loop.ts'

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
