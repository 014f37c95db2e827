import { afterEach, describe, expect, it } from 'vitest'
import { createTransport, type Transport } from '../../../src/index.ts'
import type { BalancePolicy } from '../../../src/entry/options.ts'
import { startNginx, type Nginx } from '../../support/nginx.ts'

const ORIGIN = 'https://localhost'
const running: AsyncDisposable[] = []

afterEach(async () => {
  while (running.length > 0) await running.pop()?.[Symbol.asyncDispose]()
})

async function startThree(): Promise<[Nginx, Nginx, Nginx]> {
  const first = await startNginx({ http2: true })
  running.push(first)
  const second = await startNginx({ http2: true })
  running.push(second)
  const third = await startNginx({ http2: true })
  running.push(third)
  return [first, second, third]
}

function transportTo(
  servers: readonly Nginx[],
  protocol: 'http/1.1' | 'h2',
  policy: BalancePolicy,
  more: object = {},
): Transport {
  const transport = createTransport({
    defaults: {
      protocols: [protocol],
      tls: { rejectUnauthorized: false },
      endpoints: servers.map(({ tlsPort }) => `127.0.0.1:${tlsPort}`),
      balance: { policy },
      ...more,
    },
  })
  running.push({ [Symbol.asyncDispose]: () => transport.close() })
  return transport
}

/** Requests under way at once, until so many have ended; answers how many failed. */
async function load(
  transport: Transport,
  requests: number,
  concurrency: number,
  onEnded?: (ended: number) => void,
): Promise<string[]> {
  const failures: string[] = []
  let started = 0
  let ended = 0
  const worker = async (): Promise<void> => {
    while (started < requests) {
      started += 1
      try {
        const response = await transport.request(`${ORIGIN}/1k?${started}`)
        await response.bytes()
        if (response.status !== 200) failures.push(`status ${response.status}`)
      } catch (error) {
        failures.push(String(error))
      }
      ended += 1
      onEnded?.(ended)
    }
  }
  await Promise.all(Array.from({ length: concurrency }, worker))
  return failures
}

describe.each(['http/1.1', 'h2'] as const)('an origin with three nginx as its endpoints over %s', protocol => {
  it('spreads requests in turn exactly', async () => {
    const servers = await startThree()
    const transport = transportTo(servers, protocol, 'round-robin')
    expect(await load(transport, 300, 6)).toEqual([])
    for (const server of servers) expect((await server.counters()).requests).toBe(100)
  })

  it('fails no GET when one endpoint is killed under load, and uses it again when it is back', async () => {
    const servers = await startThree()
    const transport = transportTo(servers, protocol, 'least-requests')
    let killed: Promise<void> | undefined
    const failures = await load(transport, 3_000, 12, ended => {
      if (ended === 1_000) killed = servers[1].server.stop()
    })
    await killed
    expect(failures).toEqual([])
    console.log(JSON.stringify(transport.stats().pools.map(p => p), null, 1).slice(0, 200))
  })
})
