import { fetch } from 'undici'
import { connectionFacts, transportOptions } from '../../src/bench/clients/middlemile.ts'
import { openPool } from '../../src/bench/clients/undici.ts'
import type { BenchClient, ClientSetting } from '../../src/bench/load/bench-client.ts'
import { NO_HEADERS } from '../../src/entry/dispatch.ts'
import { createTransport, parseOrigin } from '../../src/index.ts'
import { CountingHandler } from './counting-handler.ts'

/*
 * Calls that users of a library type, as they are: no request is timed within. GETs of one origin;
 * `request()` and `fetch()` over HTTP/1.1.
 */

export async function undiciRequest(setting: ClientSetting): Promise<BenchClient> {
  const [origin = ''] = setting.origins
  const { pool, counts } = openPool(origin, setting)
  return {
    send: (request, _origin, watch) =>
      void report(watch, async () => {
        const { statusCode, body } = await pool.request({ path: request.path, method: 'GET' })
        return { status: statusCode, body: await body.arrayBuffer() }
      }),
    facts: () => counts.facts(),
    close: () => pool.destroy(),
  }
}

export async function undiciFetch(setting: ClientSetting): Promise<BenchClient> {
  const [origin = ''] = setting.origins
  const { pool, counts } = openPool(origin, setting)
  return {
    send: (request, _origin, watch) =>
      void report(watch, async () => {
        const response = await fetch(origin + request.path, { dispatcher: pool })
        return { status: response.status, body: await response.arrayBuffer() }
      }),
    facts: () => counts.facts(),
    close: () => pool.destroy(),
  }
}

/** Dispatch with a handler that counts and times nothing, for what a request costs the library itself. */
export async function middlemileDispatch(setting: ClientSetting): Promise<BenchClient> {
  const [url = ''] = setting.origins
  const origin = parseOrigin(url)
  const transport = createTransport(transportOptions(setting))
  const [protocol] = setting.protocols ?? []
  return {
    send({ path }, _origin, watch) {
      const handler = new CountingHandler((status, bytes, error) =>
        watch.onEnd({ status, bytes, protocol, error }),
      )
      transport.dispatch(origin, { method: 'GET', path, headers: NO_HEADERS, body: null }, handler)
    },
    facts: () => connectionFacts([transport]),
    close: () => transport.close(),
  }
}

export async function middlemileRequest(setting: ClientSetting): Promise<BenchClient> {
  const [origin = ''] = setting.origins
  const transport = createTransport(transportOptions(setting))
  return {
    send: (request, _origin, watch) =>
      void report(watch, async () => {
        const response = await transport.request(origin + request.path)
        return { status: response.status, body: await response.bytes() }
      }),
    facts: () => connectionFacts([transport]),
    close: () => transport.close(),
  }
}

export async function middlemileFetch(setting: ClientSetting): Promise<BenchClient> {
  const [origin = ''] = setting.origins
  const transport = createTransport(transportOptions(setting))
  return {
    send: (request, _origin, watch) =>
      void report(watch, async () => {
        const response = await transport.fetch(origin + request.path)
        return { status: response.status, body: await response.arrayBuffer() }
      }),
    facts: () => connectionFacts([transport]),
    close: () => transport.close(),
  }
}

type Watch = Parameters<BenchClient['send']>[2]

/** Its head is not timed: whoever calls gets head and body at once. */
async function report(
  watch: Watch,
  call: () => Promise<{ readonly status: number; readonly body: { readonly byteLength: number } }>,
): Promise<void> {
  try {
    const { status, body } = await call()
    watch.onEnd({ status, bytes: body.byteLength, protocol: 'http/1.1' })
  } catch (error) {
    watch.onEnd({ status: 0, bytes: 0, error: error instanceof Error ? error : new Error(String(error)) })
  }
}
