import { afterEach, describe, expect, it } from 'vitest'
import type { BalanceOptions, EndpointOptions } from '../../../src/entry/options.ts'
import { createTransport, type OriginOptions, type Transport } from '../../../src/index.ts'
import { type Caddy, startCaddy } from '../../support/caddy.ts'
import { type Nginx, startNginx } from '../../support/nginx.ts'
import type { RealServer } from '../../support/real-server.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { requireQuic } from '../../support/require-quic.ts'

const ORIGIN = 'https://localhost'
const running: AsyncDisposable[] = []

afterEach(async () => {
  for (const one of running.splice(0).toReversed()) await one[Symbol.asyncDispose]()
})

async function startThree(): Promise<[Nginx, Nginx, Nginx]> {
  const three = await Promise.all([
    startNginx({ http2: true }),
    startNginx({ http2: true }),
    startNginx({ http2: true }),
  ])
  running.push(...three)
  return three
}

function transportTo(
  endpoints: (string | EndpointOptions)[],
  balance: Partial<BalanceOptions>,
  more: OriginOptions,
): Transport {
  const options: OriginOptions = { tls: { rejectUnauthorized: false }, endpoints, balance, ...more }
  const transport = createTransport({ defaults: options })
  running.push({ [Symbol.asyncDispose]: () => transport.close() })
  return transport
}

/** Its workers as well, which would outlive it. */
async function kill(server: RealServer): Promise<void> {
  for (const { pid } of server.processes()) process.kill(pid, 'SIGKILL')
  await server.stop('SIGKILL')
}

interface Load {
  readonly requests: number
  readonly concurrency: number
  readonly path?: string
  readonly onEnded?: (ended: number) => void
}

/** What failed, request by request. */
async function load(
  transport: Transport,
  { requests, concurrency, path = '/1k', onEnded }: Load,
): Promise<string[]> {
  const failures: string[] = []
  let started = 0
  let ended = 0
  const run = async (): Promise<void> => {
    while (started < requests) {
      started += 1
      try {
        const response = await transport.request(ORIGIN + path)
        await response.bytes()
        if (response.status !== 200) failures.push(`status ${response.status}`)
      } catch (error) {
        failures.push(String(error))
      }
      ended += 1
      onEnded?.(ended)
    }
  }
  await Promise.all(Array.from({ length: concurrency }, run))
  return failures
}

async function requestsOf(servers: readonly Nginx[]): Promise<number[]> {
  return Promise.all(servers.map(async server => (await server.counters()).requests))
}

function endpointsOf(transport: Transport) {
  return transport.stats().pools.flatMap(({ endpoints = [] }) => endpoints)
}

const addressOf = ({ tlsPort }: Nginx): string => `127.0.0.1:${tlsPort}`

describe.each(['http/1.1', 'h2'] as const)('three nginx as the endpoints of an origin over %s', protocol => {
  const protocols = [protocol]

  it('get their share by weight, in turn', async () => {
    const servers = await startThree()
    const endpoints = servers.map((server, index) => ({ address: addressOf(server), weight: index + 1 }))
    const transport = transportTo(endpoints, { policy: 'round-robin' }, { protocols })
    expect(await load(transport, { requests: 300, concurrency: 6 })).toEqual([])
    expect(await requestsOf(servers)).toEqual([50, 100, 150])
  })

  it('fail no GET when one is killed under load, and share the requests again when it is back', async () => {
    const servers = await startThree()
    const transport = transportTo(servers.map(addressOf), { policy: 'round-robin' }, { protocols })
    let killed: Promise<void> | undefined
    const onEnded = (ended: number): void => {
      if (ended === 1_000) killed = kill(servers[1].server)
    }
    expect(await load(transport, { requests: 3_000, concurrency: 12, onEnded })).toEqual([])
    await killed
    const [first = 0, third = 0] = await requestsOf([servers[0], servers[2]])
    // A third of 1000 and half of 2000 each.
    expect(first + third).toBeGreaterThan(2_500)
    expect(Math.abs(first - third)).toBeLessThan(0.05 * (first + third))
    expect(endpointsOf(transport)[1]).toMatchObject({
      isUsed: false,
      because: expect.stringContaining('refused'),
    })
    const { known } = await transport.explain(ORIGIN)
    expect(known.map(({ fact }) => fact).join('\n')).toMatch(
      /endpoint \S+ over \S+ is (down|probing), and not used now/,
    )

    await servers[1].restart()
    const deadline = performance.now() + 20_000
    while (endpointsOf(transport)[1]?.state !== 'up' && performance.now() < deadline)
      expect(await load(transport, { requests: 20, concurrency: 4 })).toEqual([])
    expect(await load(transport, { requests: 600, concurrency: 12 })).toEqual([])
    expect(await requestsOf([servers[1]])).toEqual([expect.closeTo(200, -2)])
  })

  it('do not hold requests up when one accepts and says nothing', async () => {
    const servers = await startThree()
    for (const { pid } of servers[1].server.processes()) process.kill(pid, 'SIGSTOP')
    const transport = transportTo(servers.map(addressOf), { policy: 'least-requests' }, { protocols })
    try {
      const startedAt = performance.now()
      expect(await load(transport, { requests: 300, concurrency: 6 })).toEqual([])
      expect(performance.now() - startedAt).toBeLessThan(5_000) // connects may take 10 s
      expect(endpointsOf(transport)[1]).toMatchObject({ isUsed: false, requests: 0 })
    } finally {
      for (const { pid } of servers[1].server.processes()) process.kill(pid, 'SIGCONT')
    }
  })

  it('share the limit of connections', async () => {
    const servers = await startThree()
    const transport = transportTo(
      servers.map(addressOf),
      { policy: 'random' },
      { protocols, pool: { maxConnections: 4 } },
    )
    let most = 0
    const onEnded = (): void => {
      const counts = transport.stats().pools.flatMap(({ connections }) => Object.values(connections))
      most = Math.max(
        most,
        counts.reduce((sum, count) => sum + count, 0),
      )
    }
    expect(await load(transport, { requests: 300, concurrency: 12, onEnded })).toEqual([])
    expect(most).toBeLessThanOrEqual(4)
    for (const requests of await requestsOf(servers)) expect(requests).toBeGreaterThan(50)
  })

  it('have a limit of connections each, and of requests, which others of them make up for', async () => {
    const servers = await startThree()
    const breakers = { maxConnectionsPerEndpoint: 1, maxRequestsPerEndpoint: 4 }
    const transport = transportTo(servers.map(addressOf), { policy: 'random' }, { protocols, breakers })
    const most = servers.map(() => 0)
    const onEnded = (): void => {
      for (const [index, { connections, underWay }] of endpointsOf(transport).entries()) {
        expect(connections).toBeLessThanOrEqual(1)
        most[index] = Math.max(most[index] ?? 0, underWay)
      }
    }
    expect(await load(transport, { requests: 300, concurrency: 12, onEnded })).toEqual([])
    for (const underWay of most) expect(underWay).toBeLessThanOrEqual(4)
    expect(endpointsOf(transport).some(({ breakers: its }) => (its?.passedOver ?? 0) > 0)).toBe(true)
    const failures = await load(transport, { requests: 100, concurrency: 100 })
    expect(failures.length).toBeGreaterThan(0)
    expect(failures.every(failure => failure.includes('breakers.maxRequestsPerEndpoint'))).toBe(true)
  })

  it('keep a key to one of them, and take it over from one that is gone', async () => {
    const servers = await startThree()
    const transport = transportTo(servers.map(addressOf), { policy: 'hash' }, { protocols })
    expect(await load(transport, { requests: 90, concurrency: 9, path: '/1k?a' })).toEqual([])
    const counts = await requestsOf(servers)
    expect(counts.toSorted((a, b) => a - b)).toEqual([0, 0, 90])
    const home = counts.indexOf(90)
    const keeper = servers[home]
    if (keeper !== undefined) await kill(keeper.server)
    expect(await load(transport, { requests: 90, concurrency: 9, path: '/1k?a' })).toEqual([])
    const others = await requestsOf(servers.filter((_, index) => index !== home))
    expect(others.toSorted((a, b) => a - b)).toEqual([0, 90])
  })

  it('go to the next tier only when the first cannot be connected to', async () => {
    const servers = await startThree()
    const endpoints = servers.map((server, index) => ({ address: addressOf(server), tier: index }))
    const transport = transportTo(endpoints, { policy: 'round-robin' }, { protocols })
    expect(await load(transport, { requests: 50, concurrency: 5 })).toEqual([])
    expect(await requestsOf(servers)).toEqual([50, 0, 0])
    await kill(servers[0].server)
    expect(await load(transport, { requests: 50, concurrency: 5 })).toEqual([])
    expect(await requestsOf(servers.slice(1))).toEqual([50, 0])
  })
})

describe('two caddys as the endpoints of an origin over HTTP/3', () => {
  const missing = requireBinary('caddy') ?? requireQuic()

  it('share the requests, and fail none when one is killed', async ctx => {
    ctx.skip(missing !== undefined, missing)
    const servers: [Caddy, Caddy] = [await startCaddy({ http3: true }), await startCaddy({ http3: true })]
    running.push(...servers)
    const endpoints = servers.map(({ url }) => `127.0.0.1:${new URL(url).port}`)
    const transport = transportTo(endpoints, { policy: 'round-robin' }, { protocols: ['h3'] })
    expect(await load(transport, { requests: 100, concurrency: 5 })).toEqual([])
    expect(endpointsOf(transport).map(({ requests, lane }) => [lane, requests])).toEqual([
      ['h3', 50],
      ['h3', 50],
    ])
    await kill(servers[0].server)
    expect(await load(transport, { requests: 100, concurrency: 5 })).toEqual([])
    expect(endpointsOf(transport)[1]?.requests).toBeGreaterThanOrEqual(150)
  })
})
