import { impairTcp } from '../../src/bench/impair/tcp-relay.ts'
import { nginxCounters } from '../../test/support/nginx-counters.ts'
import { startNginxProcess } from '../../test/support/nginx-process.ts'
import { freePort } from '../../test/support/tcp-port.ts'
import { makeTemporaryDirectory } from '../../test/support/temporary-directory.ts'

export const ENDPOINTS = 8
/** One way, between a proxy and an endpoint. */
export const DELAY_MS = 5
/** Of the one that is slow. */
export const SLOW_DELAY_MS = 10 * DELAY_MS

/** The endpoints of an origin, each an nginx of its own behind a relay that adds the delay. */
export interface EndpointServers extends AsyncDisposable {
  /** Of the relays. */
  readonly ports: readonly number[]
  /** Requests that the slow one, the first, was sent. */
  slowRequests(): Promise<number>
  /** The last one: it answers nothing any more, and takes no connection. */
  killOne(): Promise<void>
}

export async function startEndpointServers({ hasSlow }: { hasSlow: boolean }): Promise<EndpointServers> {
  const stops: (() => Promise<void>)[] = []
  const stop = async (): Promise<void> => {
    for (const each of stops.splice(0).toReversed()) await each()
  }
  try {
    const servers = []
    for (let index = 0; index < ENDPOINTS; index++) {
      const delayMs = hasSlow && index === 0 ? SLOW_DELAY_MS : DELAY_MS
      servers.push(await startEndpoint(index, delayMs, stops))
    }
    const [slow] = servers
    const last = servers.at(-1)
    return {
      ports: servers.map(({ port }) => port),
      slowRequests: async () => (await slow?.counters.read())?.requests ?? 0,
      killOne: async () => last?.kill(),
      [Symbol.asyncDispose]: stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

async function startEndpoint(seed: number, delayMs: number, stops: (() => Promise<void>)[]) {
  const directory = makeTemporaryDirectory('endpoint')
  stops.push(async () => directory.remove())
  const port = await freePort()
  const { server } = await startNginxProcess({
    directory: directory.path,
    http: `
  default_type application/octet-stream;
  keepalive_requests 1000000;
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location = /nginx-status { stub_status; }
    location / { return 200 "${'x'.repeat(1_000)}"; }
  }`,
    ports: [port],
  })
  stops.push(() => server.stop())
  const target = { host: '127.0.0.1', port }
  const relay = await impairTcp({ target, seed, toServer: { delayMs }, toClient: { delayMs } })
  stops.push(async () => relay[Symbol.asyncDispose]())
  const counters = nginxCounters(port)
  await counters.reset()
  return {
    port: relay.port,
    counters,
    async kill() {
      await relay[Symbol.asyncDispose]()
      for (const { pid } of server.processes()) process.kill(pid, 'SIGKILL')
      await server.stop('SIGKILL')
    },
  }
}
