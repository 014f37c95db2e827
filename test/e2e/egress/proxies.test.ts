import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTransport, type Transport, type TransportOptions } from '../../../src/index.ts'
import { type CertificateAuthority, createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { startHttp2Origin } from '../../../src/testing/http2-origin.ts'
import { startQuickOrigin, type TestOrigin } from '../../../src/testing/origins.ts'
import { NGINX_EARLY } from '../../support/early-world.ts'
import { startNginx } from '../../support/nginx.ts'
import { type OwnProxyOptions, startOwnProxy } from '../../support/own-proxy.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { requireOpenssl } from '../../support/require-openssl.ts'

const USER = { user: 'me', password: 'p@ss:word/1' }
const USER_INFO = 'me:p%40ss%3Aword%2F1@'

let authority: CertificateAuthority
let origins: Record<'http/1.1' | 'h2', Pick<TestOrigin, 'port' | 'connectionsSeen' | 'close'>>
let proxyTls: { cert: string; key: string }

beforeAll(async () => {
  authority = await createCertificateAuthority()
  const tls = await authority.issue({ names: ['localhost', '127.0.0.1'] })
  proxyTls = await authority.issue({ names: ['localhost', '127.0.0.1'] })
  origins = { 'http/1.1': await startQuickOrigin({ tls }), h2: await startHttp2Origin({ tls }) }
})
afterAll(async () => {
  await Promise.all([origins['http/1.1'].close(), origins.h2.close()])
})

function transportThrough(proxies: readonly string[], options: TransportOptions = {}): Transport {
  return createTransport({
    egress: { out: { proxies, ca: authority.cert } },
    ...options,
    defaults: { egress: 'out', tls: { ca: authority.cert }, ...options.defaults },
  })
}

const KINDS: readonly { readonly scheme: string; readonly kind: OwnProxyOptions['kind'] }[] = [
  { scheme: 'http', kind: 'connect' },
  { scheme: 'https', kind: 'connect' },
  { scheme: 'socks5', kind: 'socks5' },
  { scheme: 'socks5h', kind: 'socks5' },
]

describe.each(KINDS)('a proxy of scheme $scheme', ({ scheme, kind }) => {
  const start = (options: Partial<OwnProxyOptions> = {}) =>
    startOwnProxy({ kind, ...(scheme === 'https' && { tls: proxyTls }), ...options })

  it.each(['http/1.1', 'h2'] as const)('carries requests by %s, many over one tunnel', async protocol => {
    await using proxy = await start({ credentials: USER })
    const transport = transportThrough([`${scheme}://${USER_INFO}127.0.0.1:${proxy.port}`])
    const origin = origins[protocol]
    const before = origin.connectionsSeen()
    try {
      for (let i = 0; i < 5; i++) {
        const response = await transport.request(`https://localhost:${origin.port}/bytes/70000`)
        expect((await response.bytes()).length).toBe(70_000)
        expect(response.info.protocol).toBe(protocol)
      }
      expect(origin.connectionsSeen() - before).toBe(1)
      expect(proxy.connections()).toBe(1)
      // Who gets names is not asked by address, and the other way round.
      expect(proxy.targets[0]?.startsWith('localhost:')).toBe(scheme !== 'socks5')
    } finally {
      await transport.close()
    }
  })

  it('that asks for other credentials has a code of its own, and the secret is nowhere', async () => {
    await using proxy = await start({ credentials: { user: 'me', password: 'another' } })
    const transport = transportThrough([`${scheme}://me:verysecret@127.0.0.1:${proxy.port}`])
    try {
      const url = `https://localhost:${origins.h2.port}/`
      const error: unknown = await transport.request(url).catch((failure: unknown) => failure)
      expect(error).toMatchObject({ code: 'MM_PROXY_AUTH', fault: 'local', processed: 'no' })
      const explanation = await transport.explain(url)
      const seen = JSON.stringify([error, String(error), explanation, transport.stats()])
      expect(seen).toContain(`${scheme}://127.0.0.1:${proxy.port}`)
      expect(seen).not.toContain('verysecret')
    } finally {
      await transport.close()
    }
  })

  it('that answers nonsense, or nothing, fails by name and within its time', async () => {
    await using nonsense = await start({ answer: { bytes: 'SSH-2.0-OpenSSH_9.2\r\n' } })
    await using silent = await start({ answer: 'silence' })
    const url = `https://localhost:${origins.h2.port}/`
    const codes: unknown[] = []
    for (const { port } of [nonsense, silent]) {
      const transport = transportThrough([`${scheme}://127.0.0.1:${port}`], {
        defaults: { egress: 'out', timeouts: { connectMs: 300 }, retry: { maxRetries: 0 } },
      })
      const error: unknown = await transport.request(url).catch((failure: unknown) => failure)
      codes.push((error as { code?: unknown }).code)
      expect(String(error)).toContain(`${scheme}://127.0.0.1:${port}`)
      await transport.close()
    }
    expect(codes).toEqual(['MM_PROXY_FAILED', 'MM_PROXY_TIMEOUT'])
  })
})

describe('several proxies', () => {
  const url = (protocol: 'http/1.1' | 'h2' = 'h2', path = '/') =>
    `https://localhost:${origins[protocol].port}${path}`

  it('fail over to the next one, which goes on: the dead one is not asked by the next connect', async () => {
    await using dead = await startOwnProxy({ kind: 'connect', answer: { bytes: 'no' } })
    await using alive = await startOwnProxy({ kind: 'connect' })
    const transport = transportThrough([`http://127.0.0.1:${dead.port}`, `http://127.0.0.1:${alive.port}`], {
      defaults: { egress: 'out', protocols: ['http/1.1'], pool: { maxRequests: 1 } },
    })
    try {
      for (let i = 0; i < 6; i++) {
        const response = await transport.request(url('http/1.1'))
        await response.dump()
        expect(response.status).toBe(200)
      }
      expect(alive.targets.length).toBe(6)
      expect(dead.connections()).toBeLessThanOrEqual(1) // the lot may have fallen on the other one
    } finally {
      await transport.close()
    }
  })

  it('take turns when a window is over, and open connections stay in use', async () => {
    await using one = await startOwnProxy({ kind: 'connect' })
    await using two = await startOwnProxy({ kind: 'socks5' })
    const proxies = [`http://127.0.0.1:${one.port}`, `socks5h://127.0.0.1:${two.port}`]
    const options = (maxRequests: number): TransportOptions => ({
      egress: { out: { proxies, stickyMs: 1 } },
      defaults: { egress: 'out', protocols: ['http/1.1'], pool: { maxRequests } },
    })
    const rotating = transportThrough(proxies, options(1))
    for (let i = 0; i < 6; i++) await (await rotating.request(url('http/1.1'))).dump()
    await rotating.close()
    expect([one.targets.length, two.targets.length]).toEqual([3, 3])
    const reusing = transportThrough(proxies, options(0))
    for (let i = 0; i < 6; i++) await (await reusing.request(url('http/1.1'))).dump()
    await reusing.close()
    expect(one.targets.length + two.targets.length).toBe(7)
  })

  it('one that dies in mid-body costs that response, by name of what happened, and no other', async () => {
    await using dying = await startOwnProxy({ kind: 'connect', diesAfterBytes: 200_000 })
    const transport = transportThrough([`http://127.0.0.1:${dying.port}`])
    try {
      const response = await transport.request(url('h2', '/bytes/5000000'))
      await expect(response.bytes()).rejects.toMatchObject({ code: 'MM_CONNECTION_RESET', processed: 'yes' })
      const next = await transport.request(url('h2', '/bytes/1000'))
      expect((await next.bytes()).length).toBe(1_000)
      expect(dying.connections()).toBe(2)
    } finally {
      await transport.close()
    }
  })
})

describe('through a proxy', () => {
  it('TLS to the origin resumes, and no ticket crosses to another egress', async () => {
    const tls = await authority.issue({ names: ['localhost'] })
    const origin = await startQuickOrigin({ tls })
    await using proxy = await startOwnProxy({ kind: 'connect' })
    const egress = { proxies: [`http://127.0.0.1:${proxy.port}`] }
    const transport = createTransport({
      egress: { one: egress, two: egress },
      defaults: {
        egress: 'one',
        protocols: ['http/1.1'],
        pool: { maxRequests: 1 },
        tls: { ca: authority.cert },
      },
    })
    const kinds: unknown[] = []
    const fetchOnce = async (): Promise<void> => {
      const response = await transport.request(`${origin.url}/`)
      await response.dump()
      kinds.push(response.info.resumed)
    }
    try {
      await fetchOnce()
      await fetchOnce()
      transport.configure({
        egress: { one: egress, two: egress },
        defaults: {
          egress: 'two',
          protocols: ['http/1.1'],
          pool: { maxRequests: 1 },
          tls: { ca: authority.cert },
        },
      })
      await fetchOnce()
      await fetchOnce()
      expect(kinds).toEqual([false, true, false, true])
    } finally {
      await transport.close()
      await origin.close()
    }
  })

  it('requests leave in early data as they do directly', async ctx => {
    const missing = requireOpenssl() ?? requireBinary('nginx')
    ctx.skip(missing !== undefined, missing)
    await using proxy = await startOwnProxy({ kind: 'connect' })
    await using nginx = await startNginx({ authority, extraServer: NGINX_EARLY })
    const transport = transportThrough([`http://127.0.0.1:${proxy.port}`], {
      defaults: {
        egress: 'out',
        protocols: ['http/1.1'],
        earlyData: 'safe',
        earlyDataOverTcp: true,
        pool: { maxRequests: 1 },
      },
    })
    try {
      const outcomes: string[] = []
      for (let i = 0; i < 3; i++) {
        const response = await transport.request(`${nginx.url}/1k`)
        await response.dump()
        outcomes.push(response.info.earlyData)
      }
      expect(outcomes).toContain('accepted')
    } finally {
      await transport.close()
    }
  })

  it('an origin that is away, or not allowed, is distinguished from a proxy that fails', async () => {
    const answers: readonly (readonly [OwnProxyOptions, string])[] = [
      [{ kind: 'connect', answer: { status: '502 Bad Gateway' } }, 'MM_CONNECT_FAILED'],
      [{ kind: 'connect', answer: { status: '504 Gateway Timeout' } }, 'MM_CONNECT_TIMEOUT'],
      [{ kind: 'connect', answer: { status: '403 Forbidden' } }, 'MM_PROXY_REFUSED'],
      [{ kind: 'socks5', answer: { reply: 5 } }, 'MM_CONNECT_REFUSED'],
      [{ kind: 'socks5', answer: { reply: 2 } }, 'MM_PROXY_REFUSED'],
    ]
    for (const [options, code] of answers) {
      await using proxy = await startOwnProxy(options)
      const scheme = options.kind === 'connect' ? 'http' : 'socks5h'
      const transport = transportThrough([`${scheme}://127.0.0.1:${proxy.port}`], {
        defaults: { egress: 'out', retry: { maxRetries: 0 } },
      })
      const failure = transport.request(`https://localhost:${origins.h2.port}/`)
      await expect(failure, JSON.stringify(options)).rejects.toMatchObject({
        code,
        message: expect.stringContaining(`the proxy ${scheme}://127.0.0.1:${proxy.port}`),
      })
      await transport.close()
    }
  })

  it('HTTP/3 is not tried, and explain says why', async () => {
    await using proxy = await startOwnProxy({ kind: 'connect' })
    const transport = transportThrough([`http://127.0.0.1:${proxy.port}`])
    const { protocols, decision, plan, known } = await transport.explain('https://localhost:1/')
    const because = 'not tried: egress out has no h2 or h3 proxy to carry UDP'
    expect(protocols).toContainEqual({ protocol: 'h3', allowed: false, because })
    expect(decision.candidates.find(({ lane }) => lane === 'h3')).toMatchObject({
      isEligible: false,
      because,
    })
    expect(plan.map(({ because: why }) => why)).toEqual([
      expect.stringContaining(`the proxy http://127.0.0.1:${proxy.port} of egress out`),
    ])
    expect(known.map(({ fact }) => fact)).toContain(
      `connections leave through http://127.0.0.1:${proxy.port} (egress out)`,
    )
    await transport.close()
  })

  it('a probe goes through it too, and asks nothing directly', async () => {
    await using proxy = await startOwnProxy({ kind: 'connect' })
    const transport = transportThrough([`http://127.0.0.1:${proxy.port}`])
    const before = origins.h2.connectionsSeen()
    const report = await transport.probe(`https://localhost:${origins.h2.port}/`)
    await transport.close()
    expect(report.isReachable).toBe(true)
    expect(report.alpn).toContainEqual({ protocol: 'h2', accepted: { found: true } })
    expect(report.httpsRecords).toEqual({ skipped: 'the origin is reached through a proxy' })
    expect(origins.h2.connectionsSeen() - before).toBeLessThanOrEqual(proxy.targets.length)
    expect(new Set(proxy.targets)).toEqual(new Set([`localhost:${origins.h2.port}`]))
  })
})
