import { type Dispatcher, fetch, Pool } from 'undici'
import type { BenchClient, ClientSetting } from './client-job.ts'
import { reportWhenDone } from './serve-jobs.ts'

type Done = (bytes: number, error?: unknown) => void

/** The pool that undici users would tune for one origin. */
function makePool({ origin, ca, connections }: ClientSetting): Pool {
  return new Pool(origin, {
    connections: connections === 0 ? null : connections,
    pipelining: 1,
    headersTimeout: 0,
    bodyTimeout: 0,
    keepAliveTimeout: 300_000,
    keepAliveMaxTimeout: 600_000,
    allowH2: false,
    connect: { ca },
  })
}

/**
 * undici 7's fastest door. It calls the older handler methods directly and wraps the newer ones, so these are
 * the older.
 */
class CountingHandler implements Dispatcher.DispatchHandler {
  readonly #done: Done
  #bytes = 0
  #status = 0

  constructor(done: Done) {
    this.#done = done
  }

  onConnect(): void {
    // nothing to abort
  }

  onHeaders(status: number): boolean {
    this.#status = status
    return true
  }

  onData(chunk: Buffer): boolean {
    this.#bytes += chunk.length
    return true
  }

  onComplete(): void {
    this.#done(this.#bytes, this.#status === 200 ? undefined : new Error(`status ${this.#status}`))
  }

  onError(error: Error): void {
    this.#done(this.#bytes, error)
  }
}

export function undiciDispatch(setting: ClientSetting): BenchClient {
  return dispatchOn(makePool(setting))
}

/** undici over one HTTP/2 connection, with windows as large as ours. It speaks through node:http2. */
export function undiciH2Dispatch({ origin, ca }: ClientSetting): BenchClient {
  return dispatchOn(
    new Pool(origin, {
      connections: 1,
      // What it calls pipelining is, with HTTP/2, how many streams it opens.
      pipelining: 128,
      maxConcurrentStreams: 128,
      initialWindowSize: 8_388_608,
      connectionWindowSize: 16_777_216,
      headersTimeout: 0,
      bodyTimeout: 0,
      allowH2: true,
      connect: { ca },
    }),
  )
}

function dispatchOn(pool: Pool): BenchClient {
  return {
    send(path, done) {
      pool.dispatch({ path, method: 'GET' }, new CountingHandler(done))
    },
    close: () => pool.destroy(),
  }
}

export function undiciRequest(setting: ClientSetting): BenchClient {
  const pool = makePool(setting)
  const get = async (path: string): Promise<number> => {
    const { body } = await pool.request({ path, method: 'GET' })
    return (await body.arrayBuffer()).byteLength
  }
  return { send: (path, done) => void reportWhenDone(get(path), done), close: () => pool.destroy() }
}

export function undiciFetch(setting: ClientSetting): BenchClient {
  const dispatcher = makePool(setting)
  const get = async (path: string): Promise<number> => {
    const response = await fetch(setting.origin + path, { dispatcher })
    return (await response.arrayBuffer()).byteLength
  }
  return { send: (path, done) => void reportWhenDone(get(path), done), close: () => dispatcher.destroy() }
}
