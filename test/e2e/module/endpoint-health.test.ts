import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type handleUnaryCall, Server, ServerCredentials } from '@grpc/grpc-js'
import { afterEach, describe, expect, it } from 'vitest'
import {
  createTransport,
  type OriginOptions,
  type Transport,
  type TransportEvent,
} from '../../../src/index.ts'
import { startCaddy } from '../../support/caddy.ts'
import { type Nginx, startNginx } from '../../support/nginx.ts'
import type { RealServer } from '../../support/real-server.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { requireQuic } from '../../support/require-quic.ts'
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts'

const ORIGIN = 'https://localhost'
const running: AsyncDisposable[] = []

afterEach(async () => {
  for (const one of running.splice(0).toReversed()) await one[Symbol.asyncDispose]()
})

/** nginx that answers 503 to /1k, and to /health, while `setDown` says so. */
async function startSwitched(): Promise<Nginx & { setDown(what: 'requests' | 'health', is: boolean): void }> {
  const directory = makeTemporaryDirectory('switched')
  const file = (what: string): string => join(directory.path, what)
  const extraServer = `
    open_file_cache off;
    location = /1k { if (-f ${file('requests')}) { return 503; } }
    location = /health { if (-f ${file('health')}) { return 503; } return 200 "up\\n"; }`
  const nginx = await startNginx({ http2: true, extraServer })
  running.push({
    async [Symbol.asyncDispose]() {
      await nginx.stop()
      directory.remove()
    },
  })
  return Object.assign(nginx, {
    setDown(what: string, is: boolean) {
      if (is) writeFileSync(file(what), '')
      else rmSync(file(what), { force: true })
    },
  })
}

function transportTo(ports: readonly number[], more: OriginOptions) {
  const events: TransportEvent[] = []
  const transport = createTransport({
    defaults: {
      tls: { rejectUnauthorized: false },
      endpoints: ports.map(port => `127.0.0.1:${port}`),
      balance: { policy: 'round-robin' },
      ...more,
    },
    observer: event => void events.push(event),
  })
  running.push({ [Symbol.asyncDispose]: () => transport.close() })
  return {
    transport,
    events,
    /** What became of the endpoints, one line each. */
    changes: () =>
      events.flatMap(event =>
        event.type === 'endpoint-health'
          ? [`${ports.indexOf(Number(event.endpoint.split(':')[1]))} ${event.standing}: ${event.because}`]
          : [],
      ),
  }
}

/** The statuses of so many requests, one after the other; 0: it failed. */
async function statusesOf(transport: Transport, requests: number, path = '/1k'): Promise<number[]> {
  const statuses: number[] = []
  for (let i = 0; i < requests; i += 1) {
    try {
      const response = await transport.request(ORIGIN + path)
      await response.bytes()
      statuses.push(response.status)
    } catch {
      statuses.push(0)
    }
  }
  return statuses
}

function endpointsOf(transport: Transport) {
  return transport.stats().pools.flatMap(({ endpoints = [] }) => endpoints)
}

async function until(holds: () => boolean, timeoutMs = 10_000): Promise<void> {
  const deadline = performance.now() + timeoutMs
  while (!holds() && performance.now() < deadline) await new Promise(resolve => setTimeout(resolve, 20))
  expect(holds()).toBe(true)
}

function signal(server: RealServer, name: NodeJS.Signals): void {
  for (const { pid } of server.processes()) process.kill(pid, name)
}

describe.each(['http/1.1', 'h2'] as const)('three nginx over %s', protocol => {
  const protocols = [protocol]

  it('lose one that answers 503, until one request finds it well', async () => {
    const servers = [await startSwitched(), await startSwitched(), await startSwitched()] as const
    const { transport, changes } = transportTo(
      servers.map(({ tlsPort }) => tlsPort),
      { protocols, outlier: { ejectionMs: 300, ejectionJitter: 0 } },
    )
    expect(await statusesOf(transport, 30)).toEqual(Array(30).fill(200))
    servers[1].setDown('requests', true)
    const statuses = await statusesOf(transport, 60)
    expect(statuses.filter(status => status === 503).length).toBeLessThanOrEqual(6) // five, and a probe at the most
    expect(changes()[0]).toBe('1 ejected: 5 gateway errors in a row; for 0.3 s')
    servers[1].setDown('requests', false)
    const deadline = performance.now() + 10_000
    while (!changes().includes('1 healthy: its probe request succeeded') && performance.now() < deadline)
      await statusesOf(transport, 3)
    const before = endpointsOf(transport)[1]?.requests ?? 0
    expect(await statusesOf(transport, 30)).toEqual(Array(30).fill(200))
    expect((endpointsOf(transport)[1]?.requests ?? 0) - before).toBe(10)
  })

  it('lose one whose check answers 503, and are asked without a request being counted', async () => {
    const servers = [await startSwitched(), await startSwitched(), await startSwitched()] as const
    const { transport, changes, events } = transportTo(
      servers.map(({ tlsPort }) => tlsPort),
      { protocols, health: { check: 'http', path: '/health', intervalMs: 40, rise: 2, fall: 2 } },
    )
    expect(await statusesOf(transport, 9)).toEqual(Array(9).fill(200))
    servers[2].setDown('health', true)
    await until(() => changes().length === 1)
    expect(changes()).toEqual(['2 unhealthy: its check: status 503 is none of 200'])
    const before = endpointsOf(transport).map(({ requests }) => requests)
    expect(await statusesOf(transport, 20)).toEqual(Array(20).fill(200))
    const spread = endpointsOf(transport).map(({ requests }, index) => requests - (before[index] ?? 0))
    expect(spread).toEqual([10, 10, 0])
    const { known } = await transport.explain(ORIGIN)
    expect(known).toContainEqual({
      fact: expect.stringMatching(/^endpoint \S+ over \S+ is unhealthy, and not used now$/),
      evidence: 'status 503 is none of 200',
    })
    servers[2].setDown('health', false)
    await until(() => changes().length === 2)
    expect(changes()[1]).toBe('2 healthy: its check: status 200')

    const [pool] = transport.stats().pools
    expect(pool?.requests).toBe(29)
    expect(events.filter(({ type }) => type === 'exchange-ended')).toHaveLength(29)
    const counters = await Promise.all(servers.map(server => server.counters()))
    const checks = endpointsOf(transport).reduce((sum, endpoint) => sum + (endpoint.checks?.made ?? 0), 0)
    expect(checks).toBeGreaterThan(10)
    // One that is under way has reached nginx already.
    const seen = counters.reduce((sum, { requests }) => sum + requests, 0)
    expect(seen).toBeGreaterThanOrEqual(29 + checks)
    // Over HTTP/2 checks go over the connections of requests, over HTTP/1.1 over their own.
    const connections = counters.reduce((sum, count) => sum + count.connections, 0)
    if (protocol === 'h2') expect(connections).toBeLessThan(12)
    else expect(connections).toBeGreaterThan(checks)
  })

  it('lose one that hangs, by its check and by the time-outs of requests', async () => {
    const servers = [await startSwitched(), await startSwitched(), await startSwitched()] as const
    const ports = servers.map(({ tlsPort }) => tlsPort)
    const retry = { perTryTimeoutMs: 200, maxRetries: 2, budgetMin: 100 }
    const passive = transportTo(ports, { protocols, retry })
    const active = transportTo(ports, {
      protocols,
      health: {
        check: protocol === 'h2' ? 'ping' : 'http',
        path: '/health',
        intervalMs: 50,
        fall: 2,
      },
    })
    await Promise.all([statusesOf(passive.transport, 9), statusesOf(active.transport, 9)])
    signal(servers[0].server, 'SIGSTOP')
    try {
      await until(() => active.changes().some(change => change.startsWith('0 unhealthy: its check: MM_')))
      expect(await statusesOf(active.transport, 10)).toEqual(Array(10).fill(200))
      expect(await statusesOf(passive.transport, 30)).toEqual(Array(30).fill(200))
      // Over HTTP/1.1 each time-out costs the connection, so that the next connect finds it out.
      expect(endpointsOf(passive.transport)[0]).toMatchObject({ isUsed: false })
      if (protocol === 'h2') expect(passive.changes()[0]).toMatch(/^0 ejected: /)
    } finally {
      signal(servers[0].server, 'SIGCONT')
    }
    await until(() => endpointsOf(active.transport)[0]?.health === 'healthy')
  })

  it('are all used in a panic, when too few of them are healthy', async () => {
    const servers = [await startSwitched(), await startSwitched(), await startSwitched()] as const
    const { transport, changes, events } = transportTo(
      servers.map(({ tlsPort }) => tlsPort),
      {
        protocols,
        balance: { policy: 'round-robin', panicShare: 0.5 },
        health: { check: 'http', path: '/health', intervalMs: 40, connections: 'fresh' },
      },
    )
    for (const server of servers.slice(1)) server.setDown('health', true)
    await statusesOf(transport, 1)
    await until(() => changes().length === 2)
    expect(await statusesOf(transport, 9)).toEqual(Array(9).fill(200))
    expect(events.filter(({ type }) => type === 'endpoint-panic')).toMatchObject([
      { isOn: true, because: '1 of 3 endpoints of tier 0 are healthy' },
    ])
    expect(endpointsOf(transport).every(({ requests }) => requests >= 3)).toBe(true)
  })
})

describe.each(['http/1.1', 'h2'] as const)('a hedged request over %s', protocol => {
  it('is answered by another endpoint while one hangs, within the budget', async () => {
    const servers = [await startSwitched(), await startSwitched(), await startSwitched()] as const
    const { transport } = transportTo(
      servers.map(({ tlsPort }) => tlsPort),
      {
        protocols: [protocol],
        hedge: { quantile: 0.99, minDelayMs: 100, budgetRatio: 0.1 },
        outlier: { consecutiveGatewayErrors: 0, consecutiveFailures: 3, ejectionMs: 60_000 },
      },
    )
    expect(await statusesOf(transport, 150)).toEqual(Array(150).fill(200))
    signal(servers[0].server, 'SIGSTOP')
    try {
      expect(await statusesOf(transport, 30)).toEqual(Array(30).fill(200))
    } finally {
      signal(servers[0].server, 'SIGCONT')
    }
    const [pool] = transport.stats().pools
    const { won = 0, lost = 0, failed = 0 } = pool?.hedging?.outcomes ?? {}
    expect(won).toBeGreaterThanOrEqual(1)
    expect(won + lost + failed).toBeLessThanOrEqual(1 + 0.1 * 180)
    expect(endpointsOf(transport)[0]).toMatchObject({ isUsed: false })
  })
})

describe('two caddys over HTTP/3', () => {
  const missing = requireBinary('caddy') ?? requireQuic()

  it('lose one that answers no PING', async ctx => {
    ctx.skip(missing !== undefined, missing)
    const servers = [await startCaddy({ http3: true }), await startCaddy({ http3: true })] as const
    running.push(...servers)
    const { transport, changes } = transportTo(
      servers.map(({ tlsPort }) => tlsPort),
      { protocols: ['h3'], health: { check: 'ping', intervalMs: 100, fall: 2 } },
    )
    expect(await statusesOf(transport, 10)).toEqual(Array(10).fill(200))
    await until(() =>
      endpointsOf(transport).every(({ checks }) => checks?.last === 'answered a PING over h3'),
    )
    signal(servers[0].server, 'SIGSTOP')
    try {
      await until(() => changes().length === 1)
      expect(changes()[0]).toMatch(/^0 unhealthy: /)
      expect(await statusesOf(transport, 10)).toEqual(Array(10).fill(200))
    } finally {
      signal(servers[0].server, 'SIGCONT')
    }
    await until(() => changes().length === 2)
  })
})

describe('a check by TCP', () => {
  it('finds a listener that is gone, and one that is back', async () => {
    const servers = [await startSwitched(), await startSwitched()] as const
    const { transport, changes } = transportTo(
      servers.map(({ tlsPort }) => tlsPort),
      { protocols: ['h2'], health: { check: 'tcp', intervalMs: 40, fall: 2 } },
    )
    expect(await statusesOf(transport, 4)).toEqual(Array(4).fill(200))
    signal(servers[0].server, 'SIGKILL')
    await servers[0].server.stop('SIGKILL')
    await until(() => changes().length === 1)
    expect(changes()[0]).toMatch(/^0 unhealthy: its check: .*refused/)
    await servers[0].restart()
    await until(() => changes().length === 2)
    expect(changes()[1]).toMatch(/^0 healthy: its check: connected in /)
  })
})

describe('a check by gRPC', () => {
  /** grpc-js with the health service, which says what `setServing` said last. */
  async function startHealthService(): Promise<{ port: number; setServing(is: boolean): void }> {
    const same = (bytes: Buffer): Buffer => bytes
    const method = {
      path: '/grpc.health.v1.Health/Check',
      requestStream: false,
      responseStream: false,
      requestSerialize: same,
      requestDeserialize: same,
      responseSerialize: same,
      responseDeserialize: same,
    } as const
    let isServing = true
    const check: handleUnaryCall<Buffer, Buffer> = ({ request }, callback) =>
      callback(null, Buffer.from([0x08, isServing && request.toString().endsWith('shop.Cart') ? 1 : 2]))
    const server = new Server()
    server.addService({ check: method }, { check })
    const port = await new Promise<number>((resolve, reject) =>
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      ),
    )
    running.push({ [Symbol.asyncDispose]: async () => server.forceShutdown() })
    return { port, setServing: is => void (isServing = is) }
  }

  it('follows what the service says of itself', async () => {
    const services = [await startHealthService(), await startHealthService()] as const
    const events: string[] = []
    const transport = createTransport({
      defaults: {
        protocols: ['h2'],
        endpoints: services.map(({ port }) => `127.0.0.1:${port}`),
        balance: { policy: 'random' },
        health: { check: 'grpc', service: 'shop.Cart', intervalMs: 40, fall: 2 },
      },
      observer: event => {
        if (event.type === 'endpoint-health') events.push(`${event.standing}: ${event.because}`)
      },
    })
    running.push({ [Symbol.asyncDispose]: () => transport.close() })
    await transport.preconnect('http://shop.test', { connections: 2 })
    await until(() => endpointsOf(transport).every(({ checks }) => checks?.last === 'SERVING'))
    services[1].setServing(false)
    await until(() => events.length === 1)
    expect(events).toEqual(['unhealthy: its check: NOT_SERVING'])
    services[1].setServing(true)
    await until(() => events.length === 2)
    expect(events[1]).toBe('healthy: its check: SERVING')
  })
})
