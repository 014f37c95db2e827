import { randomBytes } from 'node:crypto'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import {
  createTransport,
  type OriginOptions,
  type RequestOptions,
  type Transport,
} from '../../../src/index.ts'
import { listenQuic } from '../../../src/ingress/quic-listener.ts'
import {
  type CertificateAuthority,
  createCertificateAuthority,
  type IssuedCertificate,
} from '../../../src/testing/certificates.ts'
import {
  type Http3Origin,
  type Http3OriginSettings,
  startHttp3Origin,
} from '../../../src/testing/http3-origin.ts'
import { startCaddy } from '../../support/caddy.ts'
import { startNgtcp2Server } from '../../support/ngtcp2-server.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { requireQuic } from '../../support/require-quic.ts'
import { until } from '../../support/until.ts'

const EARLY: RequestOptions = { earlyData: true }

/** Every connection carries one request: the next one resumes. */
const transportTo = (ca: string, options: OriginOptions = {}): Transport =>
  createTransport({
    defaults: {
      protocols: ['h3'],
      tls: { ca },
      pool: { maxRequests: 1, maxConnections: 8 },
      ...options,
    },
  })

/**
 * The connection waits for the next ticket behind the answer, and is closed then; not for ever, where none
 * comes.
 */
async function untilTicket(transport: Transport): Promise<void> {
  await until(() => transport.stats().totalConnections === 0, 'the end of the connection')
}

/** `200 full none`: the status, how the connection came to be, and what became of early data on it. */
async function ask(transport: Transport, url: string, options: RequestOptions = {}): Promise<string> {
  const response = await transport.request(url, options)
  await response.dump()
  const { resumed, earlyData } = response.info
  // The next ticket comes behind the answer: the connection waits for it, and who asks again at once does
  // not.
  if (resumed || earlyData !== 'none') await untilTicket(transport)
  return `${response.status} ${resumed ? 'resumed' : 'full'} ${earlyData}`
}

/**
 * Asks until it is answered like this, a few times at the most. On a busy machine a handshake may be complete
 * before the request is written, which then is no early one; and a ticket may come later than the connection
 * waits for it.
 */
async function askUntil(expected: string, transport: Transport, url: string, options: RequestOptions) {
  const seen: string[] = []
  while (seen.at(-1) !== expected && seen.length < 6) seen.push(await ask(transport, url, options))
  expect(seen.at(-1), seen.join(', ')).toBe(expected)
  for (const how of seen.slice(0, -1)) expect(['200 full none', '200 resumed none']).toContain(how)
}

describe('with tickets of other servers,', () => {
  it('caddy resumes, accepts early data, and after a restart refuses both and still answers', async ctx => {
    const missing = requireBinary('caddy') ?? requireQuic()
    ctx.skip(missing !== undefined, missing)
    await using caddy = await startCaddy({ http3: true })
    await using transport = transportTo(caddy.certificates.ca)
    const url = `${caddy.url}/1k`
    expect(await ask(transport, url)).toBe('200 full none')
    await askUntil('200 resumed none', transport, url, {})
    await askUntil('200 resumed accepted', transport, url, EARLY)
    await askUntil('200 resumed accepted', transport, url, { ...EARLY, method: 'HEAD' })
    await caddy.restart()
    expect(await ask(transport, url, EARLY)).toMatch(/^200 full (rejected|none)$/)
    await askUntil('200 resumed accepted', transport, url, EARLY)
  })

  it('gtlsserver does so too, as far as it believes that they are no replay', async ctx => {
    const missing = requireBinary('gtlsserver') ?? requireQuic()
    ctx.skip(missing !== undefined, missing)
    await using server = await startNgtcp2Server()
    await using transport = transportTo(server.certificates.ca)
    const url = `${server.url}/1k`
    expect(await ask(transport, url)).toBe('200 full none')
    const seen = new Map<string, number>()
    for (let round = 0; round < 10; round++) {
      const how = await ask(transport, url, EARLY)
      seen.set(how, (seen.get(how) ?? 0) + 1)
    }
    expect([...seen.keys()]).toContain('200 resumed accepted')
    // `resumed none`, see askUntil: on a busy machine the handshake may be complete before the request is written.
    for (const how of seen.keys())
      expect(how).toMatch(/^200 (resumed (accepted|rejected|none)|full (rejected|none))$/)
  })
})

const missing = requireQuic()
describe.skipIf(missing !== undefined)('with tickets of an origin of ours,', () => {
  let authority: CertificateAuthority
  let tls: IssuedCertificate
  const ticketKey = randomBytes(48)
  const open: { close(): Promise<unknown> }[] = []
  beforeAll(async () => {
    authority = await createCertificateAuthority()
    tls = await authority.issue({ names: ['localhost', 'a.test', 'b.test'] })
  })
  afterEach(async () => {
    for (const one of open.splice(0)) await one.close()
  })
  const start = async (settings: Partial<Http3OriginSettings> = {}): Promise<Http3Origin> => {
    const origin = await startHttp3Origin({ tls, ticketKey, earlyData: true, ...settings })
    open.push(origin)
    return origin
  }

  it('early data carries requests that opted in and are safe, and nothing else', async () => {
    const origin = await start()
    await using transport = transportTo(authority.cert)
    const early = async (options: RequestOptions): Promise<[string, number]> => {
      const before = origin.earlyRequestsSeen()
      return [await ask(transport, `${origin.url}/inspect`, options), origin.earlyRequestsSeen() - before]
    }
    expect(await early(EARLY), 'there is no ticket yet').toEqual(['200 full none', 0])
    expect(await early(EARLY)).toEqual(['200 resumed accepted', 1])
    expect(await early({}), 'not opted in').toEqual(['200 resumed none', 0])
    expect(await early({ ...EARLY, method: 'OPTIONS' })).toEqual(['200 resumed accepted', 1])
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH'])
      expect(await early({ ...EARLY, method }), method).toEqual(['200 resumed none', 0])
    expect(await early({ ...EARLY, method: 'POST', body: 'x' })).toEqual(['200 resumed none', 0])
    expect(await early(EARLY)).toEqual(['200 resumed accepted', 1])
  })

  it('an origin may opt in for all that is safe', async () => {
    const origin = await start()
    await using transport = transportTo(authority.cert, { earlyData: 'safe' })
    const url = `${origin.url}/`
    expect(await ask(transport, url)).toBe('200 full none')
    expect(await ask(transport, url)).toBe('200 resumed accepted')
    expect(await ask(transport, url, { method: 'POST', body: 'x' })).toBe('200 resumed none')
    expect(await ask(transport, url)).toBe('200 resumed accepted')
    expect(origin.earlyRequestsSeen()).toBe(2)
  })

  it('a ticket is used once', async () => {
    const origin = await start()
    await using transport = transportTo(authority.cert, {
      earlyData: 'safe',
      pool: { maxRequests: 1, maxConnections: 4, maxStreamsPerConnection: 1 },
    })
    expect(await ask(transport, `${origin.url}/`)).toBe('200 full none')
    const seen = await Promise.all(
      Array.from({ length: 4 }, () => ask(transport, `${origin.url}/slow?ms=50`)),
    )
    expect(seen.filter(how => how === '200 resumed accepted').length).toBeLessThanOrEqual(1)
    expect(origin.earlyRequestsSeen()).toBeLessThanOrEqual(1)
    expect(seen.filter(how => !how.startsWith('200'))).toEqual([])
  })

  it('several requests go early together, on one connection', async () => {
    const origin = await start()
    await using transport = transportTo(authority.cert, { earlyData: 'safe', pool: { idleTimeoutMs: 50 } })
    expect(await ask(transport, `${origin.url}/`)).toBe('200 full none')
    await expect.poll(() => transport.stats().totalConnections).toBe(0)
    const seen = await Promise.all(
      Array.from({ length: 10 }, () => ask(transport, `${origin.url}/bytes/5000`)),
    )
    expect(seen).toEqual(Array.from({ length: 10 }, () => '200 resumed accepted'))
    expect(transport.stats().pools[0]?.opened).toMatchObject({ full: 1, resumed: 0, earlyData: 1 })
    expect(origin.earlyRequestsSeen()).toBeGreaterThan(0)
  })

  it('early data is rejected by one with another key, and answered all the same', async () => {
    const first = await start()
    await using transport = transportTo(authority.cert, { earlyData: 'safe', pool: { idleTimeoutMs: 50 } })
    expect(await ask(transport, `${first.url}/`)).toBe('200 full none')
    await expect.poll(() => transport.stats().totalConnections).toBe(0)
    await first.close()
    const second = await start({ port: first.port, ticketKey: randomBytes(48) })
    const seen = await Promise.all(
      Array.from({ length: 10 }, () => ask(transport, `${first.url}/bytes/5000`)),
    )
    expect(seen).toEqual(Array.from({ length: 10 }, () => '200 full rejected'))
    expect([second.connectionsSeen(), second.earlyRequestsSeen()]).toEqual([1, 0])
  })

  it.for([
    ['streams', { maxConcurrentStreams: 1 }],
    ['windows of streams', { streamWindowBytes: 1_000, maxStreamWindowBytes: 1_000 }],
    ['the window of the connection', { connectionWindowBytes: 1_200 }],
  ] as const)('limits that shrank since (%s) cost one clean retry', async ([, quic]) => {
    const first = await start()
    await using transport = transportTo(authority.cert, {
      earlyData: 'safe',
      pool: { idleTimeoutMs: 50, maxConnections: 1 },
    })
    expect(await ask(transport, `${first.url}/`)).toBe('200 full none')
    await expect.poll(() => transport.stats().totalConnections).toBe(0)
    await first.close()
    const second = await start({ port: first.port, quic })
    const headers = { 'x-large': 'y'.repeat(2_000) }
    const seen = await Promise.all(
      Array.from({ length: 6 }, () => ask(transport, `${first.url}/`, { headers })),
    )
    expect(seen.map(how => how.slice(0, 3))).toEqual(Array.from({ length: 6 }, () => '200'))
    // The one that broke, and the one that did not.
    expect(second.connectionsSeen()).toBeLessThanOrEqual(2)
    expect(transport.stats().pools[0]?.connectFailures ?? 0).toBeLessThanOrEqual(1)
  })

  it('425 to what went early is answered by one more try after the handshake', async () => {
    const seen: string[] = []
    const listener = await listenQuic({
      address: { host: '127.0.0.1', port: 0 },
      tls: { cert: tls.cert, key: tls.key, ticketKey, earlyData: true },
      handler: exchange => {
        const isEarly = exchange.headers.includes('early-data')
        seen.push(`${exchange.path} ${isEarly ? 'early' : 'late'}`)
        const isRefused = isEarly || exchange.path === '/always'
        exchange.respondStart(isRefused ? 425 : 200, [])
        exchange.respondEnd([])
      },
    })
    open.push(listener)
    await using transport = transportTo(authority.cert, { earlyData: 'safe' })
    const url = `https://localhost:${listener.port}`
    expect(await ask(transport, `${url}/first`)).toBe('200 full none')
    const response = await transport.request(`${url}/second`)
    await response.dump()
    expect([response.status, response.info.retries]).toEqual([200, 1])
    expect(seen.splice(0)).toEqual(['/first late', '/second early', '/second late'])
    // Who gets it after the handshake as well is notified.
    expect(await ask(transport, `${url}/always`)).toMatch(/^425/)
    expect(seen).toEqual(['/always early', '/always late'])
  })

  it('resumption is limited to one name, one trust and one policy', async () => {
    const { port } = await start()
    const other = await createCertificateAuthority('another')
    const endpoints = [`127.0.0.1:${port}`]
    const pool = { maxRequests: 1 }
    const trusting = { ca: authority.cert }
    const tlsOf: Record<string, OriginOptions['tls']> = {
      again: { ca: authority.cert },
      'another list': { ca: [authority.cert, other.cert] },
      'no questions asked': { ca: authority.cert, rejectUnauthorized: false },
      'another name asked for': { ca: authority.cert, serverName: 'b.test' },
    }
    await using transport = transportTo(authority.cert)
    const with_ = async (host: string, trust: OriginOptions['tls']): Promise<string> => {
      transport.configure({ defaults: { protocols: ['h3'], endpoints, pool, ...(trust && { tls: trust }) } })
      return await ask(transport, `https://${host}:${port}/`)
    }
    expect(await with_('a.test', trusting)).toBe('200 full none')
    expect(await with_('a.test', trusting), 'the control').toBe('200 resumed none')
    expect(await with_('b.test', trusting), 'another host').toBe('200 full none')
    expect(await with_('a.test', tlsOf['again']), 'equal options').toBe('200 resumed none')
    for (const [what, trust] of Object.entries(tlsOf).slice(1)) {
      expect(await with_('a.test', trust), what).toBe('200 full none')
      expect(await with_('a.test', trust), `${what}, again`).toBe('200 resumed none')
    }
    expect(await with_('a.test', trusting), 'its own is still there').toBe('200 resumed none')
    // One that was given without questions opens nothing where they are asked.
    await expect(with_('a.test', { ca: other.cert })).rejects.toMatchObject({ code: 'MM_TLS_CERTIFICATE' })
  })
})
