import { middlemile } from '../../src/bench/clients/middlemile.ts'
import { nodeHttp2 } from '../../src/bench/clients/node-http2.ts'
import { undici } from '../../src/bench/clients/undici.ts'
import type { BenchClient, MakeClient } from '../../src/bench/load/bench-client.ts'
import type { RequestKind } from '../../src/bench/load/load-job.ts'

/**
 * Clients of which one response is read slowly all the time, beside the load: it is in none of its figures.
 */
export const middlemileBesideSlowReader: MakeClient = besideSlowReader(middlemile)
export const nodeHttp2BesideSlowReader: MakeClient = besideSlowReader(nodeHttp2)
export const undiciBesideSlowReader: MakeClient = besideSlowReader(undici)

const SLOW: RequestKind = {
  label: 'slow',
  method: 'GET',
  path: '/10m',
  readBytesPerSecond: 100_000,
}

function besideSlowReader(make: MakeClient): MakeClient {
  return async setting => {
    const client = await make(setting)
    const reader = new SlowReader(client)
    await reader.begun
    return {
      send(request, origin, watch) {
        if (reader.failure === undefined) client.send(request, origin, watch)
        else watch.onEnd({ status: 0, bytes: 0, error: reader.failure })
      },
      facts: () => client.facts(),
      close() {
        reader.isClosed = true
        return client.close()
      },
    }
  }
}

/** Reads, and begins again at the end of the body. */
class SlowReader {
  /** When the first response has begun, or failed. */
  readonly begun: Promise<void>
  isClosed = false
  /** Without a slow reader the load would be another one. */
  failure: Error | undefined
  readonly #client: BenchClient
  #onBegun: () => void = () => {}

  constructor(client: BenchClient) {
    this.#client = client
    this.begun = new Promise(resolve => {
      this.#onBegun = resolve
    })
    this.#read()
  }

  #read(): void {
    this.#client.send(SLOW, 0, {
      onHead: () => this.#onBegun(),
      onEnd: ({ status, error }) => {
        if (!this.isClosed) {
          if (error === undefined && status === 200) setImmediate(() => this.#read())
          else this.failure = new Error(`the slow reader failed: ${error?.message ?? `status ${status}`}`)
        }
        this.#onBegun()
      },
    })
  }
}
