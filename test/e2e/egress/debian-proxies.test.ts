import { describe, expect, it } from 'vitest'
import { createTransport, type Transport } from '../../../src/index.ts'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { startHttp2Origin } from '../../../src/testing/http2-origin.ts'
import { startDante, startNghttpx, startSquid, startTinyproxy } from '../../support/debian-proxies.ts'
import { establishedAt } from '../../support/established-at.ts'
import { requireBinary } from '../../support/require-binary.ts'

async function setUp() {
  const authority = await createCertificateAuthority()
  const origin = await startHttp2Origin({ tls: await authority.issue({ names: ['localhost'] }) })
  return {
    origin,
    url: `https://localhost:${origin.port}/bytes/100000`,
    transport: (...proxies: string[]): Transport =>
      createTransport({
        egress: { out: { proxies } },
        defaults: { egress: 'out', tls: { ca: authority.cert }, retry: { maxRetries: 0 } },
      }),
    [Symbol.asyncDispose]: () => origin.close(),
  }
}

const PROXIES = [
  { command: 'tinyproxy', scheme: 'http', start: () => startTinyproxy() },
  { command: 'squid', scheme: 'http', start: () => startSquid() },
  { command: 'danted', scheme: 'socks5', start: () => startDante() },
  { command: 'danted', scheme: 'socks5h', start: () => startDante() },
]

describe.each(PROXIES)('$command by $scheme', ({ command, scheme, start }) => {
  const missing = requireBinary(command)

  it('carries ten requests at once by h2 over one tunnel; when it ends, so does the next request', async ctx => {
    ctx.skip(missing !== undefined, missing)
    await using world = await setUp()
    await using proxy = await start()
    const transport = world.transport(`${scheme}://127.0.0.1:${proxy.port}`)
    try {
      const sizes = await Promise.all(
        Array.from({ length: 10 }, async () => {
          const response = await transport.request(world.url)
          return [response.info.protocol, (await response.bytes()).length]
        }),
      )
      expect(sizes).toEqual(Array.from({ length: 10 }, () => ['h2', 100_000]))
      expect(world.origin.connectionsSeen()).toBe(1)
      const name = `${scheme}://127.0.0.1:${proxy.port}`
      expect(transport.stats().pools[0]?.egress).toEqual({
        name: 'out',
        kind: 'proxies',
        members: [{ name, isCurrent: true, opened: 1, udpTunnels: 0, failed: {}, backoffMs: 0 }],
      })
      await proxy.server.stop('SIGKILL')
      await expect.poll(() => transport.stats().totalConnections).toBe(0)
      await expect(transport.request(world.url)).rejects.toMatchObject({
        code: 'MM_PROXY_FAILED',
        message: expect.stringContaining(`the proxy ${scheme}://127.0.0.1:${proxy.port}`),
      })
    } finally {
      await transport.close()
    }
  })
})

describe('nghttpx by h2', () => {
  it('carries the tunnels to two origins over one connection, and its end ends them', async ctx => {
    const missing = requireBinary('nghttpx', 'tinyproxy')
    ctx.skip(missing !== undefined, missing)
    await using world = await setUp()
    await using other = await setUp()
    const authority = await createCertificateAuthority()
    await using proxy = await startNghttpx(await authority.issue({ names: ['127.0.0.1'] }))
    await using transport = createTransport({
      egress: { out: { proxies: [`h2://127.0.0.1:${proxy.port}`], ca: authority.cert } },
      defaults: { egress: 'out', tls: { rejectUnauthorized: false }, retry: { maxRetries: 0 } },
    })
    const sizes = await Promise.all(
      [world.url, other.url, world.url, other.url].map(async url => {
        const response = await transport.request(url)
        return (await response.bytes()).length
      }),
    )
    expect(sizes).toEqual([100_000, 100_000, 100_000, 100_000])
    expect(establishedAt(proxy.port)).toBe(1)
    await proxy.server.stop('SIGKILL')
    await expect.poll(() => transport.stats().totalConnections).toBe(0)
    await expect(transport.request(world.url)).rejects.toMatchObject({
      code: 'MM_PROXY_FAILED',
      message: expect.stringContaining(`the proxy h2://127.0.0.1:${proxy.port}`),
    })
  })

  it('answers for an origin that is away', async ctx => {
    const missing = requireBinary('nghttpx', 'tinyproxy')
    ctx.skip(missing !== undefined, missing)
    await using world = await setUp()
    const authority = await createCertificateAuthority()
    await using proxy = await startNghttpx(await authority.issue({ names: ['127.0.0.1'] }))
    await world.origin.close()
    await using transport = createTransport({
      egress: { out: { proxies: [`h2://127.0.0.1:${proxy.port}`], ca: authority.cert } },
      defaults: { egress: 'out', retry: { maxRetries: 0 } },
    })
    await expect(transport.request(world.url)).rejects.toMatchObject({ code: 'MM_CONNECT_FAILED' })
  })
})

describe('what Debian proxies refuse', () => {
  it('tinyproxy: credentials that are wrong, and not those that are right', async ctx => {
    const missing = requireBinary('tinyproxy')
    ctx.skip(missing !== undefined, missing)
    await using world = await setUp()
    await using proxy = await startTinyproxy({ user: 'me', password: 'secret' })
    const wrong = world.transport(`http://me:wrong@127.0.0.1:${proxy.port}`)
    await expect(wrong.request(world.url)).rejects.toMatchObject({ code: 'MM_PROXY_AUTH' })
    await wrong.close()
    const right = world.transport(`http://me:secret@127.0.0.1:${proxy.port}`)
    expect((await right.request(world.url)).status).toBe(200)
    await right.close()
  })

  it('squid: a port that its rules do not allow', async ctx => {
    const missing = requireBinary('squid')
    ctx.skip(missing !== undefined, missing)
    await using world = await setUp()
    await using proxy = await startSquid({ isStrict: true })
    const transport = world.transport(`http://127.0.0.1:${proxy.port}`)
    await expect(transport.request(world.url)).rejects.toMatchObject({ code: 'MM_PROXY_REFUSED' })
    await transport.close()
  })

  it('squid and dante: an origin that is away is no fault of theirs', async ctx => {
    const missing = requireBinary('squid', 'danted')
    ctx.skip(missing !== undefined, missing)
    await using world = await setUp()
    await using squid = await startSquid()
    await using dante = await startDante()
    await world.origin.close()
    const codes = await Promise.all(
      [`http://127.0.0.1:${squid.port}`, `socks5h://127.0.0.1:${dante.port}`].map(async proxy => {
        const transport = world.transport(proxy)
        const error: unknown = await transport.request(world.url).catch((failure: unknown) => failure)
        await transport.close()
        return (error as { code?: unknown }).code
      }),
    )
    expect(codes).toEqual(['MM_CONNECT_FAILED', 'MM_CONNECT_REFUSED'])
  })
})
