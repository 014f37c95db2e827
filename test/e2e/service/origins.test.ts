import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { startQuickOrigin, type TestOrigin } from '../../../src/testing/origins.ts'
import { BODY_BYTES, bodyOf } from '../../support/body-files.ts'
import { startCaddy } from '../../support/caddy.ts'
import { type CurlResult, curl } from '../../support/curl.ts'
import { startHaproxy } from '../../support/haproxy.ts'
import { startLoopbackServer } from '../../support/loopback-server.ts'
import { parseReflection, startNginx } from '../../support/nginx.ts'
import { rawClient } from '../../support/raw-client.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { startConnector, type TestConnector } from '../../support/start-connector.ts'

const noCurl = requireBinary('curl')

/** What belongs to one connection, what every hop adds, and what ticks. */
const NOT_COMPARED = new Set(['connection', 'keep-alive', 'transfer-encoding', 'via', 'date'])

function endToEnd({ headers }: CurlResult): Record<string, string[]> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !NOT_COMPARED.has(name)))
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

interface RealOrigin extends AsyncDisposable {
  url: string
  certificates: { ca: string; caFile: string }
}

const ORIGINS: readonly [string, () => Promise<RealOrigin>, readonly string[]][] = [
  [
    'nginx',
    startNginx,
    ['/1k', '/100k', '/10m', '/chunked/100k', '/trailers/1k', '/204', '/503', '/redirect', '/absent'],
  ],
  ['haproxy', startHaproxy, ['/1k', '/204', '/503', '/close', '/absent']],
  ['caddy', startCaddy, ['/1k', '/100k', '/10m', '/hello', '/204', '/503', '/absent']],
]

describe.each(ORIGINS)('the connector in front of %s over TLS', (name, start, paths) => {
  const missing = requireBinary(name, 'curl')
  let origin: RealOrigin
  let connector: TestConnector

  beforeAll(async () => {
    if (missing !== undefined) return
    origin = await start()
    connector = await startConnector({
      origins: { [name]: { url: origin.url, tls: { ca: origin.certificates.ca } } },
    })
  })
  afterAll(async () => {
    if (missing !== undefined) return
    await connector[Symbol.asyncDispose]()
    await origin[Symbol.asyncDispose]()
  })

  const direct = (path: string, ...args: string[]) =>
    curl(['--cacert', origin.certificates.caFile, ...args, `${origin.url}${path}`])
  const through = (path: string, ...args: string[]) => curl([...args, `${connector.url}${path}`])

  it.for(paths)('passes GET and HEAD of %s as they are, and adds Via alone', async (path, ctx) => {
    ctx.skip(missing !== undefined, missing)
    for (const args of [[], ['--head']]) {
      const wanted = await direct(path, ...args)
      const got = await through(path, ...args)
      expect(wanted.exitCode).toBe(0)
      expect([got.exitCode, got.status, got.message]).toEqual([0, wanted.status, ''])
      expect(endToEnd(got)).toEqual(endToEnd(wanted))
      // With --head curl writes the head where a body would be.
      if (args.length === 0) expect(sha256(got.body)).toBe(sha256(wanted.body))
      const via = got.headers['via'] ?? []
      expect(via).toHaveLength((wanted.headers['via']?.length ?? 0) + 1)
      expect(via.at(-1)).toMatch(/^1\.1 middlemile \([0-9a-f]{8}\)$/)
    }
  })

  it("asks over verified TLS with the origin named, and reports the client's TLS", async ctx => {
    ctx.skip(missing !== undefined, missing)
    const { body, status } = await through('/reflect', '-H', 'X-Test: a', '-H', 'Connection: x-other')
    expect(status).toBe(200)
    const seen = parseReflection(body.toString())
    expect(seen).toMatchObject({
      'request-line': 'GET /reflect HTTP/1.1',
      host: new URL(origin.url).host,
      'tls-server-name': 'localhost',
      'x-test': 'a',
      via: expect.stringMatching(/^1\.1 middlemile \([0-9a-f]{8}\)$/),
      forwarded: `for=127.0.0.1;host="127.0.0.1:${connector.port}";proto=http`,
    })
    // HTTP/1.1 keeps connections by itself.
    expect(['', 'keep-alive']).toContain(seen['connection']?.toLowerCase())
    expect(seen['tls-version']).toMatch(/^(?:TLSv1\.3|tls1\.3)$/)
  })

  it('keeps to one connection for one request after the other', async ctx => {
    ctx.skip(missing !== undefined, missing)
    const before = await connector.pool(name)
    const ports = new Set<string | undefined>()
    for (let i = 0; i < 5; i++)
      ports.add(parseReflection((await through('/reflect')).body.toString())['remote-port'])
    const after = await connector.pool(name)
    expect(ports.size).toBe(1)
    expect(after.requests - before.requests).toBe(5)
    expect(after.reused - before.reused).toBe(5)
    expect(after.opened).toEqual(before.opened)
  })
})

describe('the connector in front of nginx over TLS', () => {
  const missing = requireBinary('nginx', 'curl')

  it('carries uploads, conditional and range requests, trailers and slow bodies', async ctx => {
    ctx.skip(missing !== undefined, missing)
    await using nginx = await startNginx({ slowBytesPerSecond: 100_000 })
    await using connector = await startConnector({
      origins: { nginx: { url: nginx.url, tls: { ca: nginx.certificates.ca } } },
    })
    const at = (path: string) => `${connector.url}${path}`
    const input = bodyOf(BODY_BYTES['10m'])

    const put = await curl(['-X', 'PUT', '--data-binary', '@-', at('/upload/known')], { input })
    expect([put.exitCode, put.status]).toEqual([0, 201])
    const chunked = await curl(['-T', '-', at('/upload/chunked')], { input })
    expect([chunked.exitCode, chunked.status]).toEqual([0, 201])
    for (const name of ['known', 'chunked']) {
      const { body } = await curl([at(`/upload/${name}`)])
      expect(sha256(body)).toBe(sha256(input))
    }
    expect((await curl(['-X', 'DELETE', at('/upload/known')])).status).toBe(204)

    const full = await curl([at('/1k')])
    const etag = full.headers['etag']?.[0] ?? ''
    const same = await curl(['-H', `If-None-Match: ${etag}`, at('/1k')])
    expect([same.exitCode, same.status, same.bytes]).toEqual([0, 304, 0])
    const part = await curl(['--range', '100-199', at('/100k')])
    expect([part.status, part.headers['content-range']]).toEqual([206, ['bytes 100-199/102400']])
    expect(part.body.equals(bodyOf(102_400).subarray(100, 200))).toBe(true)

    const trailers = await curl(['--raw', '-H', 'TE: trailers', at('/trailers/1k')])
    expect(trailers.body.toString('latin1')).toMatch(/\r\n0\r\nx-checksum: middlemile\r\n\r\n$/)

    const slow = await curl([at('/slow/100k')])
    expect([slow.exitCode, slow.bytes]).toEqual([0, 102_400])

    const redirect = await curl([at('/redirect')])
    expect([redirect.status, redirect.headers['location']]).toEqual([302, [`${nginx.url}/1k`]])
    expect((await connector.pool('nginx')).opened).toMatchObject({ full: 1 })
  })
})

describe.skipIf(noCurl !== undefined)('what the connector changes and what it leaves', () => {
  let origin: TestOrigin
  let ca: string
  beforeAll(async () => {
    const authority = await createCertificateAuthority()
    ca = authority.cert
    origin = await startQuickOrigin({ tls: await authority.issue({ names: ['localhost'] }) })
  })
  afterAll(() => origin.close())

  const start = (options: object = {}, forwarding: object = {}) =>
    startConnector({ forwarding, origins: { quick: { url: origin.url, tls: { ca }, ...options } } })

  /** Name and value pairs as the origin received them. */
  async function inspect(connector: TestConnector, ...args: string[]): Promise<[string, string][]> {
    const { body, message } = await curl([...args, `${connector.url}/inspect?a=b%20c&d`])
    expect(message).toBe('')
    const { url, rawHeaders } = JSON.parse(body.toString()) as { url: string; rawHeaders: string[] }
    expect(url).toBe('/inspect?a=b%20c&d')
    return rawHeaders.flatMap((name, i) =>
      i % 2 === 0 ? [[name.toLowerCase(), rawHeaders[i + 1] ?? ''] as [string, string]] : [],
    )
  }

  it('sends on end-to-end fields in their order, and its own behind them', async () => {
    await using connector = await start()
    const headers = await inspect(connector, '-A', 'test', '-H', 'X-B: 1', '-H', 'X-A: 2', '-H', 'X-B: 3')
    expect(headers.filter(([name]) => name !== 'connection')).toEqual([
      ['host', `localhost:${origin.port}`],
      ['user-agent', 'test'],
      ['accept', '*/*'],
      ['x-b', '1'],
      ['x-a', '2'],
      ['x-b', '3'],
      ['via', expect.stringMatching(/^1\.1 middlemile \([0-9a-f]{8}\)$/)],
      ['forwarded', `for=127.0.0.1;host="127.0.0.1:${connector.port}";proto=http`],
      ['x-forwarded-for', '127.0.0.1'],
      ['x-forwarded-proto', 'http'],
      ['x-forwarded-host', `127.0.0.1:${connector.port}`],
    ])
  })

  it('keeps the fields of the client connection from the origin', async () => {
    await using connector = await start()
    const sent = [
      'Connection: close, X-Private',
      'X-Private: 1',
      'Keep-Alive: timeout=9',
      'Proxy-Connection: close',
    ]
    sent.push('TE: gzip, trailers', 'Upgrade: h2c', 'X-Public: 1')
    const names = (await inspect(connector, ...sent.flatMap(field => ['-H', field]))).map(([name]) => name)
    expect(names).toContain('x-public')
    for (const name of ['x-private', 'keep-alive', 'proxy-connection', 'upgrade'])
      expect(names).not.toContain(name)
    const headers = Object.fromEntries(await inspect(connector, ...sent.flatMap(field => ['-H', field])))
    expect(headers['connection'] ?? '').not.toMatch(/close|private/i)
    expect(headers['te'] ?? 'trailers').toBe('trailers')
  })

  it('drops what untrusted clients say of earlier hops, and extends it when they are trusted', async () => {
    const claims = ['Forwarded: for=192.0.2.9', 'X-Forwarded-For: 192.0.2.9', 'X-Forwarded-Proto: https']
    claims.push('X-Forwarded-Host: shop.example', 'X-Forwarded-Server: edge', 'Via: 1.1 edge')
    const args = claims.flatMap(field => ['-H', field])
    await using strict = await start()
    expect(Object.fromEntries(await inspect(strict, ...args))).toMatchObject({
      via: expect.stringMatching(/^1\.1 edge, 1\.1 middlemile \(/),
      forwarded: `for=127.0.0.1;host="127.0.0.1:${strict.port}";proto=http`,
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-proto': 'http',
      'x-forwarded-host': `127.0.0.1:${strict.port}`,
    })
    await using trusting = await start({}, { trustForwarded: true, by: '_here', via: 'edge-1' })
    expect(Object.fromEntries(await inspect(trusting, ...args))).toMatchObject({
      via: expect.stringMatching(/^1\.1 edge, 1\.1 edge-1 \(/),
      forwarded: `for=192.0.2.9;host=shop.example;proto=https, for=127.0.0.1;by=_here;host="127.0.0.1:${trusting.port}";proto=http`,
      'x-forwarded-for': '192.0.2.9, 127.0.0.1',
      'x-forwarded-proto': 'https',
      'x-forwarded-host': 'shop.example',
      'x-forwarded-server': 'edge',
    })
    await using silent = await start({}, { forwarded: 'off' })
    const names = (await inspect(silent, ...args)).map(([name]) => name)
    expect(names.filter(name => name.includes('forwarded'))).toEqual([])
  })

  it.each([
    ['origin', () => `localhost:${origin.port}`],
    ['preserve', () => 'shop.example:81'],
    ['fixed.example', () => 'fixed.example'],
  ])('sends Host as hostHeader says: %s', async (hostHeader, wanted) => {
    await using connector = await start({ hostHeader })
    const headers = Object.fromEntries(await inspect(connector, '-H', 'Host: shop.example:81'))
    expect(headers['host']).toBe(wanted())
    expect(headers['x-forwarded-host']).toBe('shop.example:81')
  })

  it('informs the origin of a TLS client, and of HTTP/1.0', async () => {
    const authority = await createCertificateAuthority()
    const { cert, key } = await authority.issue({ names: ['127.0.0.1'] })
    await using connector = await startConnector({
      listen: [{ address: '127.0.0.1:0', tls: { cert, key } }],
      origins: { quick: { url: origin.url, tls: { ca } } },
    })
    const headers = Object.fromEntries(await inspect(connector, '--insecure', '--http1.0'))
    expect(headers['x-forwarded-proto']).toBe('https')
    expect(headers['forwarded']).toMatch(/;proto=https$/)
    expect(headers['via']).toMatch(/^1\.0 middlemile /)
  })

  it('passes 1xx on before the answer', async () => {
    await using connector = await start()
    using client = rawClient(connector.port)
    client.send('GET /informational HTTP/1.1\r\nHost: a\r\n\r\n')
    const text = await client.until(/"informational":true/)
    expect(text).toMatch(
      /^HTTP\/1\.1 103 Early Hints\r\n(?:.+\r\n)*link: <\/style\.css>; rel=preload; as=style\r\n/,
    )
    expect(text.indexOf('HTTP/1.1 200 OK')).toBeGreaterThan(text.indexOf('103'))
  })

  it('lets the origin say 100, and the body wait for it', async () => {
    await using connector = await start()
    using client = rawClient(connector.port)
    client.send('POST /inspect HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n')
    await client.until(/^HTTP\/1\.1 100 Continue\r\n(?:.+\r\n)*\r\n/)
    client.send('hello')
    const text = await client.until(/"bodyBytes":5/)
    expect(text.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 100', 'HTTP/1.1 200'])
  })

  it('carries trailers of a request and of a response', async () => {
    await using connector = await start()
    using client = rawClient(connector.port)
    client.send(
      'POST /inspect HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 9\r\n\r\n',
    )
    const inspected = await client.until(/"trailers":\{.*\}/)
    expect(inspected).toContain('"bodyBytes":3')
    expect(inspected).toContain('"trailers":{"x-sum":"9"}')
    client.send('GET /trailers HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n\r\n')
    expect(await client.until(/x-checksum: abc123\r\n\r\n/)).toMatch(/\r\n0\r\nx-checksum: abc123\r\n\r\n$/)
  })

  it('sends an empty body as one, and a known length as such', async () => {
    await using connector = await start()
    const lengthOf = async (...args: string[]): Promise<[string | undefined, string | undefined]> => {
      const headers = Object.fromEntries(await inspect(connector, ...args))
      return [headers['content-length'], headers['transfer-encoding']]
    }
    expect(await lengthOf()).toEqual([undefined, undefined])
    expect(await lengthOf('-X', 'POST', '--data', '')).toEqual(['0', undefined])
    expect(await lengthOf('--data', 'abc')).toEqual(['3', undefined])
    const [length, coding] = await lengthOf('-H', 'Transfer-Encoding: chunked', '--data', 'abc')
    expect([length, coding?.toLowerCase()]).toEqual([undefined, 'chunked'])
  })

  it('keeps the fields of the origin connection from the client, and the Date that the origin gave', async () => {
    await using raw = await startLoopbackServer({
      onConnection: socket =>
        void socket.on('data', () =>
          socket.write(
            'HTTP/1.1 200 Fine By Me\r\nDate: Mon, 01 Jan 2001 00:00:00 GMT\r\nServer: old\r\nVia: 1.0 cache\r\n' +
              'Connection: x-private, keep-alive\r\nX-Private: 1\r\nKeep-Alive: timeout=5, max=9\r\n' +
              'Proxy-Connection: keep-alive\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 2\r\n\r\nok',
          ),
        ),
    })
    await using connector = await startConnector({
      origins: { raw: { url: `http://127.0.0.1:${raw.port}` } },
    })
    using client = rawClient(connector.port)
    client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    const text = await client.until(/ok$/)
    const via = /via: (1\.1 middlemile \(\w+\))/.exec(text)?.[1]
    const [head = '', body] = text.split('\r\n\r\n')
    const [statusLine, ...fields] = head.split('\r\n')
    expect([statusLine, body]).toEqual(['HTTP/1.1 200 Fine By Me', 'ok'])
    // Fields of different names have no order (RFC 9110 5.3); those of one name have, and Via is a list.
    expect(fields.filter(field => !field.startsWith('content-length'))).toEqual([
      'date: Mon, 01 Jan 2001 00:00:00 GMT',
      'server: old',
      'via: 1.0 cache',
      'set-cookie: a=1',
      'set-cookie: b=2',
      `via: ${via}`,
    ])
    expect(fields).toContain('content-length: 2')
  })

  it('takes an answer of HTTP/1.0 whose end is the end of its connection', async () => {
    await using old = await startLoopbackServer({
      onConnection: socket =>
        void socket.once('data', () => {
          socket.write('HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nfirst ')
          setTimeout(() => socket.end('second'), 20)
        }),
    })
    await using connector = await startConnector({
      origins: { old: { url: `http://127.0.0.1:${old.port}` } },
    })
    for (let i = 0; i < 2; i++) {
      const { exitCode, status, httpVersion, headers, body } = await curl([`${connector.url}/`])
      expect([exitCode, status, httpVersion, body.toString()]).toEqual([0, 200, '1.1', 'first second'])
      expect(headers['transfer-encoding']).toEqual(['chunked'])
    }
    expect(old.accepted()).toBe(2)
  })

  it('adds no Date to an answer of an origin that has none', async () => {
    const server = createServer((_request, response) => {
      response.sendDate = false
      response.end('ok')
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo // it listens on TCP
    await using connector = await startConnector({
      origins: { dateless: { url: `http://127.0.0.1:${port}` } },
    })
    const { headers, status } = await curl([`${connector.url}/`])
    expect([status, headers['date']]).toEqual([200, undefined])
    server.closeAllConnections()
    server.close()
  })
})
