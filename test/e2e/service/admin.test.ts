import { connect } from 'node:net'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { socketCalls } from '../../../src/connect/native/socket-calls.ts'
import type { Explanation, PoolStats } from '../../../src/index.ts'
import { type ServiceConfig, startService } from '../../../src/service/index.ts'
import { type CertificateAuthority, createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { startQuickOrigin, startRecyclingOrigin, type TestOrigin } from '../../../src/testing/origins.ts'
import { NO_MIGRATIONS } from '../../support/migration-figures.ts'
import { type MetricsPage, parsePrometheusText } from '../../support/prometheus-text.ts'
import { rawClient } from '../../support/raw-client.ts'
import { startConnector, type TestConnector } from '../../support/start-connector.ts'
import { freePort } from '../../support/tcp-port.ts'

let authority: CertificateAuthority
let shop: TestOrigin
let recycling: TestOrigin
let deadPort: number
let connector: TestConnector

beforeAll(async () => {
  authority = await createCertificateAuthority()
  shop = await startQuickOrigin({ tls: await authority.issue({ names: ['localhost'] }) })
  recycling = await startRecyclingOrigin({ maxRequestsPerConnection: 2 })
  deadPort = await freePort()
})
afterAll(() => Promise.all([shop.close(), recycling.close()]))

beforeEach(async () => {
  connector = await startConnector({
    shutdown: { keepAdmin: true },
    origins: {
      shop: { url: shop.url, hosts: ['shop.test'], tls: { ca: authority.cert } },
      recycling: { url: recycling.url, hosts: ['recycling.test'] },
      dead: { url: `http://127.0.0.1:${deadPort}`, hosts: ['dead.test'], retry: { maxRetries: 0 } },
      unused: { url: 'http://127.0.0.1:9', hosts: ['unused.test'] },
    },
  })
})
afterEach(() => connector[Symbol.asyncDispose]())

async function admin(path: string, init: RequestInit = {}) {
  const response = await fetch(`${connector.adminUrl}${path}`, init)
  const text = await response.text()
  return { status: response.status, type: response.headers.get('content-type') ?? '', text, response }
}

const metrics = async (): Promise<MetricsPage> => parsePrometheusText((await admin('/metrics')).text)
const pools = async () =>
  JSON.parse((await admin('/pools')).text) as {
    totalConnections: number
    pools: (PoolStats & { name: string })[]
    leaving: (PoolStats & { name: string | null })[]
  }

/** One request after the other on one client connection. Resolves with the statuses. */
async function ask(host: string, count: number, path = '/'): Promise<number[]> {
  using client = rawClient(connector.port)
  const statuses: number[] = []
  for (let i = 0; i < count; i++) {
    const before = client.received.length
    client.send(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
    await client.until(new RegExp(`^[^]{${before}}HTTP[^]*\\}\\n?$`))
    statuses.push(Number(client.received.slice(before + 9, before + 12)))
  }
  return statuses
}

describe('GET /healthz and /readyz', () => {
  it('say that all is well, and nothing may keep the answer', async () => {
    for (const [path, text] of [
      ['/healthz', 'ok\n'],
      ['/readyz', 'ready\n'],
    ]) {
      const answer = await admin(path ?? '')
      expect([answer.status, answer.text, answer.type]).toEqual([200, text, 'text/plain; charset=utf-8'])
      expect(answer.response.headers.get('cache-control')).toBe('no-store')
      const head = await admin(path ?? '', { method: 'HEAD' })
      expect([head.status, head.text, head.response.headers.get('content-length')]).toEqual([
        200,
        '',
        String(text?.length),
      ])
    }
  })
})

/** The names of contracts.md that this version builds, each with its type and the labels of its samples. */
const METRICS: Readonly<Record<string, readonly [string, readonly string[]]>> = {
  middlemile_requests_total: ['counter', ['origin', 'protocol', 'status_class']],
  middlemile_client_responses_total: ['counter', ['origin', 'protocol', 'status']],
  middlemile_client_duration_seconds: ['histogram', ['origin', 'protocol']],
  middlemile_request_body_bytes_total: ['counter', ['origin', 'protocol']],
  middlemile_response_body_bytes_total: ['counter', ['origin', 'protocol']],
  middlemile_backing_off: ['gauge', ['origin']],
  middlemile_build_info: ['gauge', ['node', 'openssl', 'version']],
  middlemile_config_reloads_total: ['counter', ['outcome']],
  middlemile_config_last_reload_successful: ['gauge', []],
  middlemile_config_last_reload_success_timestamp_seconds: ['gauge', []],
  middlemile_certificate_expiry_timestamp_seconds: ['gauge', ['name', 'of']],
  middlemile_request_duration_seconds: ['histogram', ['origin', 'protocol']],
  middlemile_ttfb_seconds: ['histogram', ['origin', 'protocol']],
  middlemile_connections: ['gauge', ['origin', 'protocol', 'state']],
  middlemile_streams: ['gauge', ['origin', 'protocol']],
  middlemile_stream_capacity: ['gauge', ['origin', 'protocol']],
  middlemile_defences_total: ['counter', ['limit', 'origin']],
  middlemile_connections_opened_total: ['counter', ['handshake', 'origin', 'protocol']],
  middlemile_connections_closed_total: ['counter', ['origin', 'protocol', 'reason']],
  middlemile_requests_reused_total: ['counter', ['origin', 'protocol']],
  middlemile_reuse_ratio: ['gauge', ['origin']],
  middlemile_handshake_rtts_saved_total: ['counter', ['origin']],
  middlemile_handshake_seconds_saved_total: ['counter', ['origin']],
  middlemile_handshake_avoided_total: ['counter', ['means', 'origin']],
  middlemile_handshake_avoided_round_trips_total: ['counter', ['means', 'origin']],
  middlemile_handshake_avoided_seconds_total: ['counter', ['means', 'origin']],
  middlemile_handshake_avoided_bytes_total: ['counter', ['means', 'origin']],
  middlemile_handshake_avoided_cpu_seconds_total: ['counter', ['means', 'origin']],
  middlemile_handshake_paid_round_trips_total: ['counter', ['origin']],
  middlemile_handshake_paid_seconds_total: ['counter', ['origin']],
  middlemile_handshake_paid_bytes_total: ['counter', ['origin']],
  middlemile_handshake_paid_cpu_seconds_total: ['counter', ['origin']],
  middlemile_handshake_saved_seconds_per_day: ['gauge', ['origin']],
  middlemile_handshake_saved_window_seconds: ['gauge', ['origin']],
  middlemile_evictions_total: ['counter', ['origin', 'protocol', 'reason']],
  middlemile_idle_horizon_seconds: ['gauge', ['origin']],
  middlemile_preconnect_hints_total: ['counter', ['origin', 'outcome']],
  middlemile_reuse_races_total: ['counter', ['origin', 'outcome']],
  middlemile_objective_missed: ['gauge', ['cause', 'origin']],
  middlemile_reuse_rate: ['gauge', ['origin', 'window']],
  middlemile_connections_needed: ['gauge', ['origin']],
  middlemile_connections_level: ['gauge', ['origin']],
  middlemile_hedges_total: ['counter', ['origin', 'outcome']],
  middlemile_endpoint_checks_total: ['counter', ['endpoint', 'origin', 'outcome']],
  middlemile_endpoint_ejections_total: ['counter', ['endpoint', 'origin', 'reason']],
  middlemile_endpoint_healthy: ['gauge', ['endpoint', 'origin']],
  middlemile_endpoint_passed_over_total: ['counter', ['endpoint', 'origin']],
  middlemile_endpoint_requests_total: ['counter', ['endpoint', 'lane', 'origin']],
  middlemile_endpoint_requests_under_way: ['gauge', ['endpoint', 'lane', 'origin']],
  middlemile_endpoint_up: ['gauge', ['endpoint', 'lane', 'origin']],
  middlemile_queue_depth: ['gauge', ['origin']],
  middlemile_overloaded: ['gauge', ['origin']],
  middlemile_stalled_connections: ['gauge', ['origin']],
  middlemile_queue_shed_total: ['counter', ['origin']],
  middlemile_ingress_shed_total: ['counter', []],
  middlemile_queue_seconds: ['histogram', ['origin', 'protocol']],
  middlemile_retries_total: ['counter', ['origin', 'reason']],
  middlemile_migrations_total: ['counter', ['origin', 'outcome']],
  middlemile_migration_gap_seconds: ['histogram', ['origin']],
  middlemile_deferred_dials_total: ['counter', []],
  process_cpu_seconds_total: ['counter', []],
  process_resident_memory_bytes: ['gauge', []],
  nodejs_eventloop_lag_seconds: ['gauge', []],
}

describe('GET /metrics', () => {
  it('has every metric, with its type, even before the first request', async () => {
    const answer = await admin('/metrics')
    expect(answer.type).toMatch(/^text\/plain; version=0\.0\.4/)
    const { types } = parsePrometheusText(answer.text)
    for (const [name, [type]] of Object.entries(METRICS))
      expect([name, types.get(name)]).toEqual([name, type])
  })

  it('counts known traffic, and agrees with /pools', async () => {
    expect(await ask('shop.test', 10)).toEqual(Array.from({ length: 10 }, () => 200))
    expect(await ask('shop.test', 2, '/status/404')).toEqual([404, 404])
    expect(await ask('recycling.test', 5)).toEqual([200, 200, 200, 200, 200])
    expect(await ask('dead.test', 1)).toEqual([502])
    expect(await ask('strange.test', 3)).toEqual([404, 404, 404])
    // A connection that the origin ended is counted when it has closed.
    await expect.poll(async () => (await connector.pool('recycling')).closed).toEqual({ 'peer-closed': 2 })

    const page = await metrics()
    const requests = (labels: Record<string, string>) => page.sum('middlemile_requests_total', labels)
    expect(requests({ origin: 'shop', protocol: 'http/1.1', status_class: '2xx' })).toBe(10)
    expect(requests({ origin: 'shop', protocol: 'http/1.1', status_class: '4xx' })).toBe(2)
    expect(requests({ origin: 'recycling', status_class: '2xx' })).toBe(5)
    expect(requests({ origin: 'dead', protocol: 'none', status_class: '5xx' })).toBe(1)
    expect(requests({ origin: 'none', protocol: 'none', status_class: '4xx' })).toBe(3)
    expect(requests({})).toBe(21)

    for (const [name, [, labels]] of Object.entries(METRICS)) {
      for (const sample of page.samples.filter(
        sample => sample.name.replace(/_(bucket|sum|count)$/, '') === name,
      ))
        expect([
          name,
          Object.keys(sample.labels)
            .filter(label => label !== 'le')
            .sort(),
        ]).toEqual([name, labels])
    }
    const opened = (labels: Record<string, string>) => page.sum('middlemile_connections_opened_total', labels)
    expect(opened({ origin: 'shop', handshake: 'full' })).toBe(1)
    expect(opened({ origin: 'recycling', handshake: 'none' })).toBe(3)
    expect(
      page.sum('middlemile_connections_closed_total', { origin: 'recycling', reason: 'peer_closed' }),
    ).toBe(2)
    expect(page.sum('middlemile_requests_reused_total', { origin: 'shop' })).toBe(11)
    expect(page.sum('middlemile_requests_reused_total', { origin: 'recycling' })).toBe(2)
    expect(page.sum('middlemile_reuse_ratio', { origin: 'shop' })).toBeCloseTo(11 / 12)
    expect(page.sum('middlemile_handshake_rtts_saved_total', { origin: 'shop' })).toBe(22) // TCP and TLS 1.3, a round trip each
    expect(page.sum('middlemile_handshake_seconds_saved_total', { origin: 'shop' })).toBeGreaterThan(0)
    const handshakes = (name: string, labels: Record<string, string> = {}) =>
      page.sum(`middlemile_handshake_${name}`, { origin: 'shop', ...labels })
    expect(handshakes('avoided_total', { means: 'reuse' })).toBe(11)
    expect(handshakes('avoided_total')).toBe(11)
    expect(handshakes('avoided_round_trips_total', { means: 'reuse' })).toBe(22)
    expect(handshakes('avoided_seconds_total')).toBe(handshakes('seconds_saved_total'))
    expect(handshakes('paid_round_trips_total')).toBe(2)
    expect(handshakes('paid_seconds_total') * 11).toBeCloseTo(handshakes('avoided_seconds_total'))
    expect(handshakes('saved_window_seconds')).toBeGreaterThan(0)
    expect(handshakes('saved_seconds_per_day') * handshakes('saved_window_seconds')).toBeCloseTo(
      handshakes('avoided_seconds_total') * 86_400,
    )
    expect(
      page.sum('middlemile_connect_failures_total', { origin: 'dead', code: 'MM_CONNECT_REFUSED' }),
    ).toBe(1)
    expect(page.sum('middlemile_ingress_connections_total', { outcome: 'accepted' })).toBe(5)

    const all = await pools()
    expect(new Set(all.pools.map(({ name }) => name))).toEqual(new Set(['dead', 'recycling', 'shop']))
    for (const pool of all.pools) {
      const labels = { origin: pool.name }
      for (const state of ['idle', 'leased', 'draining', 'connecting'] as const)
        expect(page.sum('middlemile_connections', { ...labels, state })).toBe(pool.connections[state])
      const { full, resumed, earlyData, cleartext } = pool.opened
      expect(opened(labels)).toBe(full + resumed + earlyData + cleartext)
      expect(page.sum('middlemile_requests_reused_total', labels)).toBe(pool.reused)
      expect(page.sum('middlemile_queue_depth', labels)).toBe(pool.waiters)
      expect(page.sum('middlemile_reuse_ratio', labels)).toBe(pool.reuseRatio)
      expect(page.sum('middlemile_retries_total', labels)).toBe(pool.retries)
      if (pool.name !== 'dead') expect(requests(labels)).toBe(pool.requests)
      // Counted by buckets, in all, and by status: the same exchanges.
      for (const name of ['middlemile_request_duration_seconds', 'middlemile_queue_seconds']) {
        expect(page.sum(`${name}_count`, labels)).toBe(requests(labels))
        expect(page.sum(`${name}_bucket`, { ...labels, le: '+Inf' })).toBe(requests(labels))
      }
    }
    expect(page.sum('middlemile_connections')).toBe(all.totalConnections)
  })

  it('shows what is under way', async () => {
    using client = rawClient(connector.port)
    const seen = shop.requestsSeen()
    client.send('GET /silent HTTP/1.1\r\nHost: shop.test\r\n\r\n')
    await expect.poll(() => shop.requestsSeen()).toBe(seen + 1)
    const page = await metrics()
    expect(page.sum('middlemile_connections', { origin: 'shop', state: 'leased' })).toBe(1)
    expect(page.sum('middlemile_ingress_connections')).toBe(1)
    client.socket.destroy()
    await expect.poll(async () => (await metrics()).sum('middlemile_ingress_connections')).toBe(0)
    expect((await metrics()).sum('middlemile_connections')).toBe(0)
  })

  it('never repeats the names that clients ask for', async () => {
    expect(await ask('made-up.test', 1, '/made-up')).toEqual([404])
    expect(await ask('shop.test', 1, '/made-up?made-up')).toEqual([200])
    expect((await admin('/metrics')).text).not.toContain('made-up')
  })
})

const PATH = { connections: 1, rttMs: expect.any(Number), lossRatio: 0, outOfOrderRatio: 0 }

describe('GET /pools', () => {
  it('shows each pool by its name, with a line for each connection', async () => {
    await ask('shop.test', 3)
    const answer = await admin('/pools')
    expect([answer.status, answer.type]).toEqual([200, 'application/json'])
    expect(await pools()).toEqual({
      totalConnections: 1,
      leaving: [],
      forward: [],
      webTransport: [],
      ports: expect.objectContaining({ refused: 0, pairs: [expect.objectContaining({ inUse: 1 })] }),
      economy: expect.objectContaining({ sinceStart: expect.objectContaining({ requests: 3, opened: 1 }) }),
      pools: [
        {
          name: 'shop',
          origin: shop.url,
          connections: { connecting: 0, idle: 1, leased: 0, draining: 0 },
          byProtocol: { 'http/1.1': { idle: 1, leased: 0, draining: 0, streams: 0, capacity: 1 } },
          coalesced: 0,
          backingOff: false,
          waiters: 0,
          overloaded: false,
          shed: 0,
          protectedRefusals: 0,
          breakers: {
            requests: { limit: 0, used: 0, refused: 0 },
            retries: { limit: 0, used: 0, refused: 0 },
          },
          retryBudget: { left: 10, refused: 0 },
          hints: expect.any(Object),
          streams: 0,
          stalled: 0,
          opened: { full: 1, resumed: 0, earlyData: 0, cleartext: 0 },
          closed: {},
          connectFailures: 0,
          requests: 3,
          reused: 2,
          idleHorizon: { confidence: 0, closes: 0, idleEnds: 0, retired: 0, racesAvoided: 0, racesLost: 0 },
          economy: expect.objectContaining({
            lastMinute: expect.objectContaining({ requests: 3, opened: 1 }),
          }),
          objective: { state: 'unknown', reuse: 0.92 },
          sizing: expect.objectContaining({ needed: 1, level: 0, ceiling: 64 }),
          retries: 0,
          reuseRatio: expect.closeTo(2 / 3),
          handshakeRttsSaved: 4,
          handshakeSecondsSaved: expect.any(Number),
          // Bytes and CPU are there where the machine lets them be measured.
          handshakes: {
            paid: expect.objectContaining({
              byKind: { full: 1, resumed: 0, earlyData: 0, cleartext: 0 },
              roundTrips: 2,
              seconds: expect.any(Number),
            }),
            avoided: {
              reuse: expect.objectContaining({ count: 2, roundTrips: 4, seconds: expect.any(Number) }),
              resumption: { count: 0, roundTrips: 0, seconds: 0 },
              fastOpen: { count: 0, roundTrips: 0, seconds: 0 },
              earlyData: { count: 0, roundTrips: 0, seconds: 0 },
              coalescing: { count: 0, roundTrips: 0, seconds: 0 },
            },
            lastDay: {
              savedSeconds: expect.any(Number),
              windowSeconds: expect.any(Number),
              perDay: expect.any(Number),
            },
            connections: [
              {
                id: expect.any(Number),
                protocol: 'http/1.1',
                paid: expect.objectContaining({ roundTrips: 2, seconds: expect.any(Number) }),
                avoided: { reuse: expect.objectContaining({ roundTrips: 4 }) },
              },
            ],
          },
          // What TCP's way is like the kernel tells through native calls.
          ...('calls' in socketCalls() && { path: PATH, pathByProtocol: { 'http/1.1': PATH } }),
          migrations: NO_MIGRATIONS,
          list: [expect.stringMatching(/idle/)],
        },
      ],
    })
  })
})

describe('GET /origins/NAME/explain', () => {
  it('says what would be tried, before and after the first request', async () => {
    const explain = async () => JSON.parse((await admin('/origins/shop/explain')).text) as Explanation
    const before = await explain()
    expect(before.origin).toBe(shop.url)
    expect(before.plan[0]).toMatchObject({ protocol: 'h2', startAfterMs: 0 })
    expect(before.plan.every(({ because }) => because.length > 0)).toBe(true)
    const isMissing = 'unavailable' in socketCalls()
    expect(before.unavailable.some(({ feature }) => feature === 'TCP Fast Open')).toBe(isMissing)
    await ask('shop.test', 1)
    const after = await explain()
    expect(after.known.length).toBeGreaterThan(before.known.length)
    expect(JSON.stringify(after.known)).toContain('TLSv1.3')
    expect(after.pool).toMatchObject({ requests: 1 })
  })

  it('connects nowhere, and knows its origins only', async () => {
    const seen = recycling.connectionsSeen()
    expect((await admin('/origins/recycling/explain')).status).toBe(200)
    expect(recycling.connectionsSeen()).toBe(seen)
    const strange = await admin('/origins/strange%20one/explain')
    expect([strange.status, JSON.parse(strange.text)]).toEqual([
      404,
      { error: { code: 'MM_NO_ROUTE', message: 'no origin is called "strange one"' } },
    ])
  })
})

describe('POST /reload', () => {
  it('reads the configuration again', async () => {
    const answer = await admin('/reload', { method: 'POST' })
    expect([answer.status, JSON.parse(answer.text)]).toEqual([
      200,
      { reloaded: true, changes: [], warnings: [] },
    ])
    expect(connector.log.join('\n')).toContain('configuration reloaded: 4 origins, 4 routes')
  })

  it('shows what is under way in pools that it has put out of use', async () => {
    using client = rawClient(connector.port)
    using other = rawClient(connector.port)
    const before = shop.requestsSeen() + recycling.requestsSeen()
    client.send('GET /silent HTTP/1.1\r\nHost: shop.test\r\n\r\n')
    other.send('GET /silent HTTP/1.1\r\nHost: recycling.test\r\n\r\n')
    await expect.poll(() => shop.requestsSeen() + recycling.requestsSeen()).toBe(before + 2)
    const tls = { ca: authority.cert }
    const origins = { shop: { url: shop.url, hosts: ['shop.test'], tls, pool: { maxConnections: 3 } } }
    const config = { listen: [{ address: '127.0.0.1:0' }], admin: { address: '127.0.0.1:0' }, origins }
    expect(await connector.service.reload(config)).toMatchObject({ ok: true })
    expect(await ask('shop.test', 1)).toEqual([200])
    const shown = await pools()
    expect(shown.pools).toMatchObject([{ name: 'shop', connections: { idle: 1, leased: 0 }, streams: 0 }])
    expect(shown.leaving.map(({ name, streams }) => [name, streams])).toEqual([
      ['shop', 1],
      [null, 1],
    ])
    const page = await metrics()
    const both = { protocol: 'http/1.1' }
    expect(page.sum('middlemile_streams', both)).toBe(2)
    expect(page.sum('middlemile_streams', { ...both, origin: 'shop' })).toBe(1)
    expect(page.sum('middlemile_streams', { ...both, origin: 'removed' })).toBe(1)
    expect(page.sum('middlemile_connections')).toBe(shown.totalConnections)
    expect(
      page.samples.filter(
        ({ name, labels: { origin } }) => name === 'middlemile_queue_depth' && origin === 'shop',
      ),
    ).toMatchObject([{ value: 0 }])
    client.socket.destroy()
    other.socket.destroy()
    await expect.poll(async () => (await pools()).leaving).toEqual([])
  })

  it('compares with what runs, not with what was read last', async () => {
    const config = {
      admin: { address: '127.0.0.1:0' },
      log: { level: 'debug' },
      origins: { o: { url: shop.url } },
    }
    const warnings = async (listeners: number) =>
      await connector.service.reload({
        ...config,
        listen: Array.from({ length: listeners }, () => ({ address: '127.0.0.1:0' })),
      } as ServiceConfig) // `level` is one of its words
    const needsRestart = { ok: true, warnings: ['listen: the change takes effect at the next start'] }
    expect(await warnings(2)).toMatchObject(needsRestart)
    expect(await warnings(2)).toMatchObject(needsRestart)
    expect(await warnings(1)).toMatchObject({ ok: true, warnings: [] })
  })
})

describe('POST /drain', () => {
  it('ends idle clients, lets the open exchange end, takes no more, and stays itself', async () => {
    using idle = rawClient(connector.port)
    idle.send('GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n')
    await idle.until(/\}\n$/)
    using busy = rawClient(connector.port)
    const seen = shop.requestsSeen()
    busy.send('GET /slow?ms=300 HTTP/1.1\r\nHost: shop.test\r\n\r\n')
    await expect.poll(() => shop.requestsSeen()).toBe(seen + 1)

    const answer = await admin('/drain', { method: 'POST' })
    expect([answer.status, JSON.parse(answer.text)]).toEqual([202, { draining: true }])
    const ready = await admin('/readyz')
    expect([ready.status, ready.text]).toEqual([503, 'not ready: draining\n'])
    expect((await admin('/healthz')).status).toBe(200)
    await idle.untilClosed()
    expect(await busy.untilClosed()).toMatch(
      /^HTTP\/1\.1 200 OK\r\nconnection: close\r\n[^]*\{"slow":true\}\n$/,
    )
    await new Promise<void>((resolve, reject) => {
      connect({ port: connector.port, host: '127.0.0.1' })
        .once('connect', () => reject(new Error('it takes connections')))
        .once('error', () => resolve())
    })
    await expect.poll(() => connector.log.at(-1)).toContain('drained')
    await expect.poll(async () => (await pools()).totalConnections).toBe(0)
    expect((await admin('/drain', { method: 'POST' })).status).toBe(202)
  })

  it('has nothing to drain while the service starts, and drains it later', async () => {
    const port = await freePort()
    let early: Promise<Response> | undefined
    const post = () => fetch(`http://127.0.0.1:${port}/drain`, { method: 'POST' })
    await using service = await startService(
      {
        // Each name is looked up, in a turn of the event loop or more: the admin server answers long before
        // the last one listens.
        listen: Array.from({ length: 200 }, () => ({ address: 'localhost:0' })),
        admin: { address: `127.0.0.1:${port}` },
        shutdown: { keepAdmin: true },
        log: { level: 'info' },
        origins: { shop: { url: shop.url } },
      },
      { logTo: { write: line => void (line.includes('admin on') && (early = post())) } },
    )
    const answer = await early
    expect([answer?.status, await answer?.text()]).toEqual([503, 'not ready: starting\n'])
    expect(await (await fetch(`http://127.0.0.1:${port}/readyz`)).text()).toBe('ready\n')
    expect((await post()).status).toBe(202)
    await service.drain()
    expect(await (await fetch(`http://127.0.0.1:${port}/readyz`)).text()).toBe('not ready: draining\n')
  })
})
