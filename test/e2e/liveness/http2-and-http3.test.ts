import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { ConnectionClosed } from '../../../src/entry/events.ts'
import { createTransport, type OriginOptions, type Protocol, type Transport } from '../../../src/index.ts'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { startHttp2Origin } from '../../../src/testing/http2-origin.ts'
import { startHttp3Origin } from '../../../src/testing/http3-origin.ts'
import { startQuickOrigin } from '../../../src/testing/origins.ts'
import { Lateness } from '../../support/lateness.ts'
import { requireQuic } from '../../support/require-quic.ts'
import { startTcpRelay } from '../../support/tcp-relay.ts'
import { startUdpRelay } from '../../support/udp-relay.ts'
import { until } from '../../support/until.ts'

const INTERVAL_MS = 200
const TIMEOUT_MS = 400
/**
 * The looks at HTTP/3 are a quarter of an interval apart; the rest is a busy machine, beside what Lateness
 * reports it.
 */
const SLACK_MS = INTERVAL_MS / 4 + 350

/** An origin behind a way that can fall silent, with a transport to it. */
interface World extends AsyncDisposable {
  readonly url: string
  readonly transport: Transport
  readonly closed: (ConnectionClosed & { at: number })[]
  /** Nothing comes any more on the connections that there are; when one is closed, new ones work. */
  fallSilent(): void
}

async function start(protocol: Protocol, options: OriginOptions): Promise<World> {
  const authority = await createCertificateAuthority()
  const tls = await authority.issue({ names: ['localhost'] })
  const make = {
    h3: () => startHttp3Origin({ tls }),
    h2: () => startHttp2Origin({ tls }),
    'http/1.1': () => startQuickOrigin({ tls }),
  }[protocol]
  const origin = await make()
  const closed: World['closed'] = []
  const way = await (protocol === 'h3' ? udpPath(origin.port) : tcpPath(origin.port))
  const transport = createTransport({
    defaults: { protocols: [protocol], tls: { ca: authority.cert }, ...options },
    observer: event => {
      if (event.type !== 'connection-closed') return
      closed.push({ ...event, at: performance.now() })
      way.heal()
    },
  })
  return {
    url: `https://localhost:${way.relay.port}`,
    transport,
    closed,
    fallSilent: () => way.fallSilent(),
    async [Symbol.asyncDispose]() {
      await transport.close()
      await way.relay[Symbol.asyncDispose]()
      await origin.close()
    },
  }
}

async function udpPath(port: number) {
  const relay = await startUdpRelay(port)
  const set = (isBlackHole: boolean): void => void (relay.isBlackHole = isBlackHole)
  return { relay, fallSilent: () => set(true), heal: () => set(false) }
}

async function tcpPath(port: number) {
  const relay = await startTcpRelay(port)
  return { relay, fallSilent: () => relay.silence(), heal: () => {} }
}

const statsOf = ({ transport }: World) => transport.stats().pools[0]!

describe.each<Protocol>(['h2', 'h3'])('a peer that falls silent, over %s', protocol => {
  const missing = protocol === 'h3' ? requireQuic() : undefined

  it('is found within intervalMs + timeoutMs; what was under way is sent again and succeeds', async ctx => {
    ctx.skip(missing !== undefined, missing)
    await using world = await start(protocol, {
      liveness: { intervalMs: INTERVAL_MS, timeoutMs: TIMEOUT_MS },
    })
    const { transport, url, closed, fallSilent } = world
    await (await transport.request(url)).dump()
    const waiting = [1, 2, 3].map(() => transport.request(`${url}/slow?ms=150`))
    using lateness = new Lateness()
    const startedAt = performance.now()
    await sleep(50)
    fallSilent()
    for (const response of await Promise.all(waiting)) {
      expect(response.status).toBe(200)
      await response.dump()
    }
    expect(closed).toMatchObject([{ reason: 'ping-failed', error: { code: 'MM_CONNECTION_RESET' } }])
    expect(closed[0]!.error?.message).toContain('liveness.timeoutMs (400)')
    const tookMs = closed[0]!.at - startedAt
    expect(tookMs).toBeGreaterThan(INTERVAL_MS + TIMEOUT_MS - 20)
    expect(tookMs).toBeLessThan(50 + INTERVAL_MS + TIMEOUT_MS + SLACK_MS + lateness.ms)
    expect(statsOf(world)).toMatchObject({ retries: 3, closed: { 'ping-failed': 1 } })
  })

  it('is reported to a request that must not be sent again, with nothing known of it', async ctx => {
    ctx.skip(missing !== undefined, missing)
    await using world = await start(protocol, {
      liveness: { intervalMs: INTERVAL_MS, timeoutMs: TIMEOUT_MS },
    })
    const { transport, url, fallSilent } = world
    await (await transport.request(url)).dump()
    const waiting = transport.request(`${url}/slow?ms=150`, { method: 'POST', body: 'x' })
    await sleep(50)
    fallSilent()
    await expect(waiting).rejects.toMatchObject({ code: 'MM_CONNECTION_RESET', processed: 'unknown' })
    expect((await transport.request(url)).status).toBe(200)
  })

  it('is found while it is idle, where it is asked then: the next request goes to a fresh connection at once', async ctx => {
    ctx.skip(missing !== undefined, missing)
    await using world = await start(protocol, {
      liveness: { idleIntervalMs: INTERVAL_MS, timeoutMs: TIMEOUT_MS },
    })
    const { transport, url, closed, fallSilent } = world
    await (await transport.request(url)).dump()
    await sleep(3 * INTERVAL_MS)
    expect(closed).toEqual([])
    using lateness = new Lateness()
    const startedAt = performance.now()
    fallSilent()
    await until(() => closed.length === 1, 'the end of the connection')
    expect(closed[0]!.at - startedAt).toBeLessThan(INTERVAL_MS * 1.25 + TIMEOUT_MS + SLACK_MS + lateness.ms)
    expect((await transport.request(url)).status).toBe(200)
    expect(statsOf(world)).toMatchObject({ retries: 0, closed: { 'ping-failed': 1 } })
  })

  it('is another one than a peer that takes its time', async ctx => {
    ctx.skip(missing !== undefined, missing)
    await using world = await start(protocol, { liveness: { intervalMs: 100, timeoutMs: 800 } })
    const { transport, url, closed } = world
    expect((await transport.request(`${url}/slow?ms=2000`)).status).toBe(200)
    expect([closed, statsOf(world).retries]).toEqual([[], 0])
  })
})

describe('a peer that falls silent, over http/1.1', () => {
  it('within a response is given up after bodyMs', async () => {
    await using world = await start('http/1.1', { timeouts: { bodyMs: 300 } })
    const { transport, url, closed, fallSilent } = world
    const response = await transport.request(`${url}/drip?n=50&ms=20`)
    using lateness = new Lateness()
    const startedAt = performance.now()
    fallSilent()
    await expect(response.bytes()).rejects.toMatchObject({ code: 'MM_BODY_TIMEOUT' })
    expect(performance.now() - startedAt).toBeLessThan(300 + SLACK_MS + lateness.ms)
    expect(closed).toMatchObject([{ reason: 'timeout' }])
    expect((await transport.request(url)).status).toBe(200)
  })

  it('before it is given up after headersMs', async () => {
    await using world = await start('http/1.1', { timeouts: { headersMs: 300 }, retry: { maxRetries: 0 } })
    const { transport, url, closed, fallSilent } = world
    await (await transport.request(url)).dump()
    fallSilent()
    using lateness = new Lateness()
    const startedAt = performance.now()
    await expect(transport.request(url)).rejects.toMatchObject({ code: 'MM_HEADERS_TIMEOUT' })
    expect(performance.now() - startedAt).toBeLessThan(300 + SLACK_MS + lateness.ms)
    expect(closed).toMatchObject([{ reason: 'timeout' }])
  })
})
