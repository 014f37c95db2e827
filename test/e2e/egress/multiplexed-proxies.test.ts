import { createHash, randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTransport, type Transport, type TransportOptions } from '../../../src/index.ts'
import { type CertificateAuthority, createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { startHttp2Origin } from '../../../src/testing/http2-origin.ts'
import { startQuickOrigin, type TestOrigin } from '../../../src/testing/origins.ts'
import { startConfiguredConnector } from '../../support/connector-process.ts'
import { type MultiplexedProxyOptions, startMultiplexedProxy } from '../../support/multiplexed-proxy.ts'
import { openTunnel } from '../../support/open-tunnel.ts'
import { startOwnProxy } from '../../support/own-proxy.ts'
import { requireQuic } from '../../support/require-quic.ts'
import { scrape } from '../../support/worker-service.ts'

let authority: CertificateAuthority
let origins: Record<'http/1.1' | 'h2', Pick<TestOrigin, 'url' | 'port' | 'connectionsSeen' | 'close'>>
let cleartext: TestOrigin
let proxyTls: { cert: string; key: string }

beforeAll(async () => {
  authority = await createCertificateAuthority()
  const tls = await authority.issue({ names: ['localhost', '127.0.0.1'] })
  proxyTls = await authority.issue({ names: ['localhost', '127.0.0.1'] })
  origins = { 'http/1.1': await startQuickOrigin({ tls }), h2: await startHttp2Origin({ tls }) }
  cleartext = await startQuickOrigin({})
})
afterAll(async () => {
  await Promise.all([origins['http/1.1'].close(), origins.h2.close(), cleartext.close()])
})

function transportThrough(proxies: readonly string[], options: TransportOptions = {}): Transport {
  return createTransport({
    egress: { out: { proxies, ca: authority.cert } },
    ...options,
    defaults: { egress: 'out', tls: { ca: authority.cert }, retry: { maxRetries: 0 }, ...options.defaults },
  })
}

describe.each(['h2', 'h3'] as const)('a proxy that speaks %s', protocol => {
  const missing = protocol === 'h3' ? requireQuic() : undefined
  const start = (options: Partial<MultiplexedProxyOptions> = {}) =>
    startMultiplexedProxy({ protocol, tls: proxyTls, ...options })

  it('carries the tunnels of all origins over one connection', async ctx => {
    ctx.skip(missing !== undefined, missing)
    const authorization = `Basic ${Buffer.from('me:p@ss:word/1').toString('base64')}`
    await using proxy = await start({ authorization })
    await using transport = transportThrough([`${protocol}://me:p%40ss%3Aword%2F1@127.0.0.1:${proxy.port}`])
    const urls = [origins.h2.url, origins['http/1.1'].url, cleartext.url]
    const fetched = await Promise.all(
      [...urls, ...urls, ...urls].map(async url => {
        const response = await transport.request(`${url}/bytes/70000`)
        return [response.status, (await response.bytes()).length]
      }),
    )
    expect(fetched).toEqual(Array.from({ length: 9 }, () => [200, 70_000]))
    expect(proxy.connections()).toBe(1)
    expect(new Set(proxy.targets)).toEqual(new Set(urls.map(url => url.replace(/^https?:\/\//, ''))))
  })

  it('carries large bodies both ways, while a reader of another tunnel stalls', async ctx => {
    ctx.skip(missing !== undefined, missing)
    await using proxy = await start()
    await using transport = transportThrough([`${protocol}://127.0.0.1:${proxy.port}`])
    const stalled = await transport.request(`${origins.h2.url}/bytes/30000000`)
    const body = randomBytes(3_000_000)
    for (const url of [origins['http/1.1'].url, cleartext.url]) {
      const echoed = await transport.request(`${url}/echo`, { method: 'POST', body })
      expect(
        createHash('sha256')
          .update(await echoed.bytes())
          .digest('hex'),
      ).toBe(createHash('sha256').update(body).digest('hex'))
    }
    expect((await stalled.bytes()).length).toBe(30_000_000)
    expect(proxy.connections()).toBe(1)
  })

  it('carries a WebSocket, as a tunnel within a tunnel', async ctx => {
    ctx.skip(missing !== undefined, missing)
    await using proxy = await start()
    await using transport = transportThrough([`${protocol}://127.0.0.1:${proxy.port}`])
    const { status, tunnel } = await openTunnel(transport, origins['http/1.1'].url)
    expect(status).toBe(101)
    tunnel.write('hello')
    expect(String(await new Promise(resolve => tunnel.once('data', resolve)))).toBe('hello')
    tunnel.destroy()
  })

  it.for([
    [407, 'MM_PROXY_AUTH'],
    [403, 'MM_PROXY_REFUSED'],
    [502, 'MM_CONNECT_FAILED'],
    [504, 'MM_CONNECT_TIMEOUT'],
    ['silence', 'MM_PROXY_TIMEOUT'],
  ] as const)(
    'that answers with %s fails with %s, by name and without the password',
    async ([answer, code], ctx) => {
      ctx.skip(missing !== undefined, missing)
      await using proxy = await start({ answer })
      const name = `${protocol}://127.0.0.1:${proxy.port}`
      await using transport = transportThrough([name.replace('//', '//me:verysecret@')], {
        defaults: { timeouts: { connectMs: answer === 'silence' ? 400 : 20_000 } },
      })
      const error: unknown = await transport.request(origins.h2.url).catch((failure: unknown) => failure)
      expect(error).toMatchObject({ code, processed: 'no' })
      const seen = JSON.stringify([error, String(error), await transport.explain(origins.h2.url)])
      expect(seen).toContain(name)
      expect(seen).not.toContain('verysecret')
      expect(proxy.connections()).toBe(1)
    },
  )

  it('is left alone when it cannot be reached or verified, and the next one carries the tunnel', async ctx => {
    ctx.skip(missing !== undefined, missing)
    await using stranger = await start({
      tls: await (await createCertificateAuthority()).issue({ names: ['127.0.0.1'] }),
    })
    await using next = await startOwnProxy({ kind: 'connect' })
    const proxies = [`${protocol}://127.0.0.1:${stranger.port}`, `http://127.0.0.1:${next.port}`]
    await using alone = transportThrough(proxies.slice(0, 1))
    await expect(alone.request(origins.h2.url)).rejects.toMatchObject({
      code: 'MM_PROXY_FAILED',
      message: expect.stringMatching(/certificate/i),
    })
    expect(stranger.targets).toEqual([])
    await using transport = transportThrough(proxies)
    for (let i = 0; i < 3; i++) expect((await transport.request(origins.h2.url)).status).toBe(200)
    expect(next.targets.length).toBe(1)
  })

  it('costs a response when it ends its tunnel in mid-body, and its connection carries the next', async ctx => {
    ctx.skip(missing !== undefined, missing)
    await using proxy = await start({ diesAfterBytes: 200_000 })
    await using transport = transportThrough([`${protocol}://127.0.0.1:${proxy.port}`])
    const response = await transport.request(`${origins.h2.url}/bytes/5000000`)
    await expect(response.bytes()).rejects.toMatchObject({ fault: 'remote', processed: 'yes' })
    const next = await transport.request(`${origins.h2.url}/bytes/1000`)
    expect((await next.bytes()).length).toBe(1_000)
    expect(proxy.connections()).toBe(1)
    expect(proxy.targets.length).toBe(2)
  })
})

describe.each(['h2', 'h3'] as const)('the connector as a forward proxy, by %s', protocol => {
  const missing = protocol === 'h3' ? requireQuic() : undefined

  it('carries the tunnels of all origins over one connection, to whom it allows', async ctx => {
    ctx.skip(missing !== undefined, missing)
    const { cert, key } = proxyTls
    await using connector = await startConfiguredConnector({
      listen: [{ address: '127.0.0.1:0', tls: { cert, key }, protocols: ['h3', 'h2'] }],
      origins: {},
      routes: [
        {
          forward: {
            allow: [`localhost:${origins.h2.port},${origins['http/1.1'].port}`],
            allowPrivate: ['127.0.0.0/8'],
          },
        },
      ],
    })
    await using transport = transportThrough([`${protocol}://127.0.0.1:${connector.port}`])
    const urls = [origins.h2.url, origins['http/1.1'].url]
    const sizes = await Promise.all(
      [...urls, ...urls].map(async url => {
        const response = await transport.request(`${url}/bytes/70000`)
        return (await response.bytes()).length
      }),
    )
    expect(sizes).toEqual([70_000, 70_000, 70_000, 70_000])
    const page = await scrape(connector)
    expect(page.sum('middlemile_ingress_sessions_total', { protocol })).toBe(1)
    await expect(transport.request(cleartext.url)).rejects.toMatchObject({
      code: 'MM_PROXY_REFUSED',
      message: expect.stringContaining('(403)') as string,
    })
  })
})
