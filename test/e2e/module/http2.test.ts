import { createHash } from 'node:crypto'
import { fetch as undiciFetch, request as undiciRequest } from 'undici'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTransport, type OriginOptions, type Transport } from '../../../src/index.ts'
import { BODY_BYTES, bodyOf } from '../../support/body-files.ts'
import { startCaddy } from '../../support/caddy.ts'
import { startHaproxy } from '../../support/haproxy.ts'
import { startNghttpd } from '../../support/nghttpd.ts'
import { startNginx } from '../../support/nginx.ts'
import { startNodeHttp2 } from '../../support/node-http2.ts'
import { requireBinary } from '../../support/require-binary.ts'

interface Http2Origin extends AsyncDisposable {
  readonly url: string
  /** Cleartext, by prior knowledge. */
  readonly h2cUrl: string
  readonly ca: string
}

const ORIGINS: Readonly<Record<string, () => Promise<Http2Origin>>> = {
  nginx: async () => {
    const nginx = await startNginx({ http2: true })
    return origin(nginx, nginx.h2cUrl)
  },
  caddy: async () => {
    const caddy = await startCaddy({ http2: true })
    return origin(caddy, caddy.plainUrl)
  },
  haproxy: async () => {
    const haproxy = await startHaproxy({ http2: true })
    return origin(haproxy, haproxy.h2cUrl)
  },
  nghttpd: async () => {
    const nghttpd = await startNghttpd()
    return origin(nghttpd, nghttpd.h2cUrl)
  },
}

function origin(
  server: AsyncDisposable & { url: string; certificates: { ca: string } },
  h2cUrl: string,
): Http2Origin {
  const { url, certificates } = server
  return {
    url,
    h2cUrl,
    ca: certificates.ca,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}

describe.each(Object.keys(ORIGINS))('the module and %s over HTTP/2', name => {
  const missing = requireBinary(name)
  let server: Http2Origin
  let transport: Transport
  beforeAll(async () => {
    if (missing !== undefined) return
    server = await (ORIGINS[name] as () => Promise<Http2Origin>)() // a key of the table
    // Connections are counted here: no trials of other lanes.
    transport = createTransport({ defaults: { tls: { ca: server.ca }, select: { exploreShare: 0 } } })
  })
  afterAll(async () => {
    await transport?.close()
    await server?.[Symbol.asyncDispose]()
  })
  const when = it.skipIf(missing !== undefined)

  when('speaks it because the origin chose it, and reads what it answers', async () => {
    const response = await transport.request(`${server.url}/1k`)
    expect((await response.bytes()).equals(bodyOf(1024))).toBe(true)
    expect([response.status, response.statusText, response.info.protocol]).toEqual([200, '', 'h2'])
    expect(response.info.attempts).toMatchObject([{ protocol: 'h2', outcome: 'connected' }])
    const head = await transport.request(`${server.url}/1k`, { method: 'HEAD' })
    expect([head.status, head.headers['content-length'], (await head.bytes()).length]).toEqual([
      200,
      '1024',
      0,
    ])
    expect(head.info.reused).toBe(true)
  })

  // haproxy answers from memory, and has no files.
  if (name !== 'haproxy') {
    when('reads large bodies whole and unchanged, several at once', async () => {
      const hashes = await Promise.all(
        ['10m', '100k', '10m', '100k'].map(async file => {
          const response = await transport.request(`${server.url}/${file}`)
          const hash = createHash('sha256')
          for await (const chunk of response.body) hash.update(chunk as Buffer) // no encoding was set
          return `${file} ${hash.digest('hex')}`
        }),
      )
      const expected = (['10m', '100k', '10m', '100k'] as const).map(
        file => `${file} ${createHash('sha256').update(bodyOf(BODY_BYTES[file])).digest('hex')}`,
      )
      expect(hashes).toEqual(expected)
    })
  }

  when('makes one connection for a hundred requests at once', async () => {
    await using cold = createTransport({ defaults: { tls: { ca: server.ca } } })
    const statuses = await Promise.all(
      Array.from({ length: 100 }, async () => {
        const response = await cold.request(`${server.url}/1k`)
        return `${response.status} ${(await response.bytes()).length} ${response.info.protocol}`
      }),
    )
    expect(new Set(statuses)).toEqual(new Set(['200 1024 h2']))
    expect(cold.stats().pools[0]).toMatchObject({
      opened: { full: 1, resumed: 0 },
      connections: { idle: 1 },
      byProtocol: { h2: { idle: 1, streams: 0, capacity: 100 } },
      requests: 100,
      retries: 0,
      reuseRatio: 0.99,
    })
  })

  when('is spoken to in cleartext by prior knowledge, where HTTP/1.1 is not allowed', async () => {
    await using prior = createTransport({ defaults: { protocols: ['h2'] } })
    const response = await prior.request(`${server.h2cUrl}/1k`)
    expect((await response.bytes()).equals(bodyOf(1024))).toBe(true)
    expect(response.info.protocol).toBe('h2')
    const { protocols } = await prior.explain(server.h2cUrl)
    expect(protocols.find(({ protocol }) => protocol === 'h2')?.because).toMatch(/negotiated last time/)
  })

  when('carries fetch() and undici.request() on the dispatcher', async () => {
    const dispatcher = transport.dispatcher()
    const fetched = await transport.fetch(`${server.url}/1k`)
    expect([fetched.status, (await fetched.arrayBuffer()).byteLength]).toEqual([200, 1024])
    const other = await undiciFetch(`${server.url}/1k`, { dispatcher })
    expect([other.status, (await other.arrayBuffer()).byteLength]).toEqual([200, 1024])
    const { statusCode, body } = await undiciRequest(`${server.url}/1k`, { dispatcher })
    expect([statusCode, (await body.arrayBuffer()).byteLength]).toEqual([200, 1024])
    expect(transport.stats().pools[0]).toMatchObject({ opened: { full: 1 }, byProtocol: { h2: { idle: 1 } } })
  })
})

describe('the protocol', () => {
  const failureOf = async (url: string, options: OriginOptions) => {
    await using transport = createTransport({ defaults: options })
    return await transport.request(url).then(
      () => undefined,
      (error: unknown) => error,
    )
  }

  it('is HTTP/1.1 where the configuration allows nothing else', async () => {
    await using server = await startNodeHttp2({ allowHTTP1: true })
    await using transport = createTransport({ defaults: { tls: { ca: server.ca }, protocols: ['http/1.1'] } })
    const response = await transport.request(server.url)
    expect([await response.text(), response.info.protocol]).toEqual(['hello', 'http/1.1'])
    expect(server.seen()).toEqual({ h2: 0, http1: 1 })
  })

  it('is a failure where the origin takes none of what is allowed', async () => {
    await using server = await startNodeHttp2()
    const tls = { ca: server.ca }
    expect(await failureOf(server.url, { tls, protocols: ['http/1.1'] })).toMatchObject({
      code: 'MM_ALPN_MISMATCH',
      processed: 'no',
    })
  })

  it('is a failure where h2 is wanted of an origin that has only HTTP/1.1', async ctx => {
    const missing = requireBinary('nginx')
    ctx.skip(missing !== undefined, missing)
    await using nginx = await startNginx()
    const error = await failureOf(nginx.url, { tls: { ca: nginx.certificates.ca }, protocols: ['h2'] })
    expect(error).toMatchObject({ code: 'MM_ALPN_MISMATCH' })
  })

  it('is HTTP/1.1 in cleartext, though h2 is allowed as well', async ctx => {
    const missing = requireBinary('caddy')
    ctx.skip(missing !== undefined, missing)
    await using caddy = await startCaddy({ http2: true }) // takes both there
    await using transport = createTransport({ defaults: { protocols: ['h2', 'http/1.1'] } })
    const response = await transport.request(`${caddy.plainUrl}/1k`)
    await response.dump()
    expect(response.info.protocol).toBe('http/1.1')
  })

  it('is shown by explain, before and after the first connection', async () => {
    await using server = await startNodeHttp2()
    await using transport = createTransport({ defaults: { tls: { ca: server.ca } } })
    const before = await transport.explain(server.url)
    expect(before.plan[0]).toMatchObject({ protocol: 'h2' })
    expect(before.unavailable.map(({ feature }) => feature)).not.toContain('h2')
    expect(before.protocols).toContainEqual({
      protocol: 'h2',
      allowed: true,
      because: 'choice 1 of 2 that are offered by ALPN; the origin takes one',
    })
    await (await transport.request(server.url)).dump()
    const after = await transport.explain(server.url)
    expect(after.protocols).toContainEqual({
      protocol: 'h2',
      allowed: true,
      because: 'negotiated last time (ALPN)',
    })
    const facts = after.known.map(({ fact }) => fact)
    expect(facts).toContain('speaks h2')
    expect(facts).toContainEqual(expect.stringMatching(/^allows \d+ streams on a connection$/))
    expect(facts).toContainEqual(expect.stringContaining('offers no extended CONNECT'))
  })

  it('comes with what the origin advertises: kept as evidence', async () => {
    await using server = await startNodeHttp2()
    server.server.on('session', session => {
      session.altsvc('h3=":443"; ma=60', server.url)
      session.origin(server.url, 'https://other.example')
    })
    await using transport = createTransport({ defaults: { tls: { ca: server.ca } } })
    await (await transport.request(server.url)).dump()
    const { known } = await transport.explain(server.url)
    const facts = known.map(({ fact }) => fact)
    const advertised = known.find(({ fact }) => fact.startsWith('advertises h3 at localhost:443'))
    expect(advertised?.evidence).toContain('ALTSVC frame')
    expect(facts).toContainEqual(expect.stringContaining(`good for ${server.url}, https://other.example`))
  })
})
