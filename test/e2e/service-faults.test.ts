import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { OriginConfig, ServiceConfig } from '../../src/service/index.ts'
import { type CertificateAuthority, createCertificateAuthority } from '../../src/testing/certificates.ts'
import { startQuickOrigin, type TestOrigin } from '../../src/testing/origins.ts'
import { type CurlResult, curl } from '../support/curl.ts'
import { startLoopbackServer } from '../support/loopback-server.ts'
import { parsePrometheusText } from '../support/prometheus-text.ts'
import { rawClient, talkUntilClosed } from '../support/raw-client.ts'
import { requireBinary } from '../support/require-binary.ts'
import { startConnector, type TestConnector } from '../support/start-connector.ts'
import { freePort } from '../support/tcp-port.ts'

const noCurl = requireBinary('curl')

function inFrontOf(url: string, options: Partial<OriginConfig> = {}, config: Partial<ServiceConfig> = {}) {
  return startConnector({ ...config, origins: { origin: { url, ...options } } })
}

/** What a response of the connector's own says: status, the error of Proxy-Status, the code in the body. */
function ownAnswer({ status, headers, body }: CurlResult): [number, string | undefined, string] {
  expect(headers['content-type']).toEqual(['application/json'])
  expect(headers['content-length']).toEqual([String(body.length)])
  expect(headers['cache-control']).toEqual(['no-store'])
  const { error, ...more } = JSON.parse(body.toString()) as { error: { code: string; message: string } }
  expect(more).toEqual({})
  expect(error.message.length).toBeGreaterThan(10)
  const proxyStatus = /^middlemile; error=(\w+)/.exec(headers['proxy-status']?.[0] ?? '')?.[1]
  return [status, proxyStatus, error.code]
}

/** The same of the raw text of one response. */
function ownAnswerOf(text: string): [number, string | undefined, string | undefined] {
  return [
    Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1]),
    /\r\nproxy-status: middlemile; error=(\w+)/.exec(text)?.[1],
    /"error":\{"code":"(\w+)"/.exec(text)?.[1],
  ]
}

async function get(connector: TestConnector, path = '/', ...args: string[]): Promise<CurlResult> {
  return await curl([...args, `${connector.url}${path}`])
}

describe.skipIf(noCurl !== undefined)('an origin that fails', () => {
  let authority: CertificateAuthority
  let slow: TestOrigin
  beforeAll(async () => {
    authority = await createCertificateAuthority()
    slow = await startQuickOrigin()
  })
  afterAll(() => slow.close())

  it('that is down: 502, connection_refused; and it is found again when it is back', async () => {
    const port = await freePort()
    await using connector = await inFrontOf(`http://127.0.0.1:${port}`, { pool: { backoffMax: '100ms' } })
    expect(ownAnswer(await get(connector))).toEqual([502, 'connection_refused', 'MM_CONNECT_REFUSED'])
    const head = await get(connector, '/', '--head')
    expect([head.exitCode, head.status]).toEqual([0, 502])
    const origin = await startQuickOrigin({ port })
    await expect.poll(async () => (await get(connector)).status).toBe(200)
    await origin.close()
  })

  it('whose name does not resolve: 502, dns_error', async () => {
    await using connector = await inFrontOf('http://absent.invalid')
    expect(ownAnswer(await get(connector))).toEqual([502, 'dns_error', 'MM_DNS_FAILED'])
  })

  it('that thinks for too long: 504, http_response_timeout', async () => {
    await using connector = await inFrontOf(slow.url, { timeouts: { headers: '100ms' } })
    expect(ownAnswer(await get(connector, '/silent'))).toEqual([
      504,
      'http_response_timeout',
      'MM_HEADERS_TIMEOUT',
    ])
    expect((await get(connector, '/slow?ms=20')).status).toBe(200)
  })

  it('that takes too long in all: 504', async () => {
    await using connector = await inFrontOf(slow.url, { timeouts: { request: '100ms' } })
    expect(ownAnswer(await get(connector, '/silent'))).toEqual([
      504,
      'http_response_timeout',
      'MM_REQUEST_TIMEOUT',
    ])
  })

  it('that dies in mid-body: the client sees a broken response', async () => {
    await using connector = await inFrontOf(slow.url)
    const known = await get(connector, '/abort')
    expect([known.exitCode, known.status, known.bytes]).toEqual([18, 200, 500]) // curl(1): partial file
    // The same without a length: the chunks must not end as if they were complete.
    await using chunked = await startLoopbackServer({
      onConnection: socket =>
        void socket.on('data', () => {
          socket.end('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n')
        }),
    })
    await using other = await inFrontOf(`http://127.0.0.1:${chunked.port}`)
    const cut = await get(other)
    expect([cut.exitCode, cut.status, cut.body.toString()]).toEqual([18, 200, 'abc'])
    // To HTTP/1.0 a proper close would be the end of the body.
    const old = await get(other, '/', '--http1.0')
    expect([old.exitCode, old.status]).toEqual([56, 200]) // curl(1): failure in receiving
  })

  it('that stops in mid-body: the client sees a broken response after timeouts.body', async () => {
    await using stalling = await startLoopbackServer({
      onConnection: socket =>
        void socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc')),
    })
    await using connector = await inFrontOf(`http://127.0.0.1:${stalling.port}`, {
      timeouts: { body: '100ms' },
    })
    const stalled = await get(connector)
    expect([stalled.exitCode, stalled.status, stalled.body.toString()]).toEqual([18, 200, 'abc'])
    expect(stalled.seconds.total).toBeLessThan(5)
  })

  it('that answers with nothing: 502, connection_terminated', async () => {
    await using rude = await startLoopbackServer({
      onConnection: socket => void socket.on('data', () => socket.end()),
    })
    await using connector = await inFrontOf(`http://127.0.0.1:${rude.port}`)
    expect(ownAnswer(await get(connector))).toEqual([502, 'connection_terminated', 'MM_CONNECTION_CLOSED'])
    // A request on a fresh connection is not sent again.
    expect(rude.accepted()).toBe(1)
  })

  it.for([
    ['no HTTP at all', 'SSH-2.0-OpenSSH_9.2\r\n'],
    ['both lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc'],
    ['a folded line', 'HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n'],
    ['a split head', 'HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: b\r\nContent-Length: 0\r\n\r\n'],
  ])('that sends %s: 502, http_protocol_error', async ([, answer]) => {
    await using broken = await startLoopbackServer({
      onConnection: socket => void socket.on('data', () => socket.write(answer ?? '')),
    })
    await using connector = await inFrontOf(`http://127.0.0.1:${broken.port}`)
    expect(ownAnswer(await get(connector))).toEqual([502, 'http_protocol_error', 'MM_PROTOCOL_ERROR'])
  })

  it('that sends too large a head: 502, http_response_header_section_size', async () => {
    await using broken = await startLoopbackServer({
      onConnection: socket =>
        void socket.on('data', () => socket.write(`HTTP/1.1 200 OK\r\nX: ${'y'.repeat(2_000)}\r\n\r\n`)),
    })
    await using connector = await inFrontOf(`http://127.0.0.1:${broken.port}`, {
      limits: { maxHeaderBytes: 1_000 },
    })
    expect(ownAnswer(await get(connector))).toEqual([
      502,
      'http_response_header_section_size',
      'MM_HEADER_LIMIT',
    ])
  })

  it.for([
    ['of an authority that is not trusted', { ca: 'other', names: ['localhost'] }],
    ['for another name', { ca: 'same', names: ['other.example'] }],
    ['that has expired', { ca: 'same', names: ['localhost'], notAfter: new Date(Date.now() - 86_400_000) }],
  ] as const)('with a certificate %s: 502, tls_certificate_error', async ([, { ca, ...issue }]) => {
    const tls = await authority.issue(issue)
    const origin = await startQuickOrigin({ tls })
    const trusted = ca === 'same' ? authority.cert : (await createCertificateAuthority()).cert
    await using connector = await inFrontOf(origin.url, { tls: { ca: trusted } })
    expect(ownAnswer(await get(connector))).toEqual([502, 'tls_certificate_error', 'MM_TLS_CERTIFICATE'])
    expect(origin.requestsSeen()).toBe(0)
    await origin.close()
  })

  it('that speaks no TLS: 502, tls_protocol_error', async () => {
    await using connector = await inFrontOf(slow.url.replace('http:', 'https:'))
    expect(ownAnswer(await get(connector))).toEqual([502, 'tls_protocol_error', 'MM_TLS_FAILED'])
  })

  it('that demands a client certificate gets the configured one', async () => {
    const tls = await authority.issue({ names: ['localhost'] })
    const origin = await startQuickOrigin({ tls, clientCa: authority.cert })
    const { cert, key } = await authority.issue({ names: ['edge'], clientAuth: true })
    await using without = await inFrontOf(origin.url, { tls: { ca: authority.cert } })
    expect((await get(without)).status).toBe(502)
    await using withOne = await inFrontOf(origin.url, { tls: { ca: authority.cert, cert, key } })
    expect((await get(withOne)).status).toBe(200)
    await origin.close()
  })
})

describe.skipIf(noCurl !== undefined)('the queue for connections', () => {
  it('is refused with 503 when it is full, and when the wait is too long', async () => {
    const origin = await startQuickOrigin()
    await using connector = await inFrontOf(origin.url, {
      pool: { maxConnections: 1, maxWaiters: 1, queueTimeout: '150ms' },
    })
    const busy = get(connector, '/slow?ms=600')
    await expect.poll(() => origin.requestsSeen()).toBe(1)
    const waiting = get(connector)
    await expect.poll(async () => (await connector.pool('origin')).waiters).toBe(1)
    const refused = await get(connector)
    expect(ownAnswer(refused)).toEqual([503, 'connection_limit_reached', 'MM_QUEUE_FULL'])
    expect(ownAnswer(await waiting)).toEqual([503, 'connection_limit_reached', 'MM_QUEUE_TIMEOUT'])
    expect((await busy).status).toBe(200)
    expect((await get(connector)).status).toBe(200)
    expect(origin.connectionsSeen()).toBe(1)
    await origin.close()
  })
})

describe('requests that could be read in two ways', () => {
  let origin: TestOrigin
  let connector: TestConnector
  beforeAll(async () => {
    origin = await startQuickOrigin()
    connector = await inFrontOf(origin.url)
  })
  afterAll(async () => {
    await connector[Symbol.asyncDispose]()
    await origin.close()
  })

  const host = 'Host: a\r\n'
  const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n'
  it.for([
    [
      'both lengths (CL.TE)',
      `POST / HTTP/1.1\r\n${host}Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG${smuggled}`,
    ],
    [
      'both lengths (TE.CL)',
      `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n12\r\n${smuggled}\r\n0\r\n\r\n`,
    ],
    ['two lengths', `POST / HTTP/1.1\r\n${host}Content-Length: 0\r\nContent-Length: 36\r\n\r\n${smuggled}`],
    ['a list of lengths', `POST / HTTP/1.1\r\n${host}Content-Length: 0, 36\r\n\r\n${smuggled}`],
    ['a length with a sign', `POST / HTTP/1.1\r\n${host}Content-Length: +0\r\n\r\n${smuggled}`],
    ['a length in hexadecimal', `POST / HTTP/1.1\r\n${host}Content-Length: 0x0\r\n\r\n${smuggled}`],
    [
      'an unknown coding',
      `POST / HTTP/1.1\r\n${host}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${smuggled}`,
    ],
    [
      'chunked twice',
      `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
    ],
    [
      'a coding that is chunked with a tail',
      `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n${smuggled}`,
    ],
    [
      'a space before the colon',
      `POST / HTTP/1.1\r\n${host}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n${smuggled}`,
    ],
    [
      'a vertical tab in a coding',
      `POST / HTTP/1.1\r\n${host}Transfer-Encoding: \vchunked\r\n\r\n0\r\n\r\n${smuggled}`,
    ],
    [
      'a folded coding',
      `POST / HTTP/1.1\r\n${host}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n${smuggled}`,
    ],
    [
      'a framing that Connection names',
      `POST / HTTP/1.1\r\n${host}Connection: content-length\r\nContent-Length: 36\r\n\r\n${smuggled}`,
    ],
    ['a bare LF behind a field', `GET / HTTP/1.1\r\n${host.replace('\r', '')}\r\n${smuggled}`],
    ['a bare CR in a field', `GET / HTTP/1.1\r\n${host}X: a\rContent-Length: 36\r\n\r\n${smuggled}`],
    ['a NUL', `GET / HTTP/1.1\r\n${host}X: a\0b\r\n\r\n${smuggled}`],
    [
      'a length in HTTP/1.0 chunks',
      `POST / HTTP/1.0\r\n${host}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
    ],
    ['no Host', `GET / HTTP/1.1\r\n\r\n${smuggled}`],
    ['two Hosts', `GET / HTTP/1.1\r\n${host}Host: b\r\n\r\n${smuggled}`],
    ['a Host that is none', `GET / HTTP/1.1\r\nHost: a b\r\n\r\n${smuggled}`],
    ['another host in the target', `GET http://b/ HTTP/1.1\r\n${host}\r\n${smuggled}`],
    ['a space in the target', `GET /a b HTTP/1.1\r\n${host}\r\n${smuggled}`],
    ['an HTTP/2 preface', `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${smuggled}`],
    ['HTTP/0.9', `GET /\r\n${smuggled}`],
  ])('%s: 400, a close, and nothing reaches the origin', async ([, text]) => {
    const before = origin.requestsSeen()
    const answer = await talkUntilClosed(connector.port, text ?? '')
    expect(ownAnswerOf(answer)).toEqual([400, 'http_request_error', 'MM_BAD_REQUEST'])
    expect(answer).toMatch(/\r\nconnection: close\r\n/)
    expect(answer.match(/^HTTP\/1\.1 \d+/gm)).toHaveLength(1)
    expect(origin.requestsSeen()).toBe(before)
  })

  it.for([
    ['a size that is no number', 'z\r\nabc\r\n0\r\n\r\n'],
    ['a size with a sign', '-3\r\nabc\r\n0\r\n\r\n'],
    ['a size that overflows', '1ffffffffffffffff\r\nabc\r\n0\r\n\r\n'],
    ['a bare LF behind a size', '3\nabc\r\n0\r\n\r\n'],
    ['data beyond its size', '3\r\nabcd\r\n0\r\n\r\n'],
    ['a length among its trailers', '0\r\nContent-Length: 5\r\n\r\n'],
  ])('a chunked body with %s: no answer of the origin, and a close', async ([, body]) => {
    const text = `POST /inspect HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n${body}${smuggled}`
    const seen = origin.requestsSeen()
    const answer = await talkUntilClosed(connector.port, text)
    expect(ownAnswerOf(answer)).toEqual([400, 'http_request_error', 'MM_BAD_REQUEST'])
    expect(answer.match(/^HTTP\/1\.1 \d+/gm)).toHaveLength(1)
    expect(origin.requestsSeen()).toBeLessThanOrEqual(seen + 1)
    // The connection to the origin stands in the middle of a body, and is not used again.
    const next = rawClient(connector.port)
    next.send(`GET /next HTTP/1.1\r\n${host}\r\n`)
    expect(await next.until(/\}\n$/)).toContain('{"method":"GET","path":"/next"}')
    next.socket.destroy()
  })

  it('are counted', async () => {
    const page = parsePrometheusText(await (await fetch(`${connector.adminUrl}/metrics`)).text())
    expect(page.sum('middlemile_ingress_bad_requests_total', { code: 'MM_BAD_REQUEST' })).toBe(30)
  })
})

describe('the limits of the listening side', () => {
  let origin: TestOrigin
  beforeAll(async () => {
    origin = await startQuickOrigin()
  })
  afterAll(() => origin.close())

  it('answers 414, 431 and 413, and nothing reaches the origin', async ctx => {
    ctx.skip(noCurl !== undefined, noCurl)
    const ingress = { maxLineBytes: 300, maxHeaderBytes: '1KiB', maxHeaderCount: 20, maxBodyBytes: 1_000 }
    await using connector = await inFrontOf(origin.url, {}, { ingress })
    const before = origin.requestsSeen()
    const uri = await get(connector, `/${'x'.repeat(400)}`)
    expect(ownAnswer(uri)).toEqual([414, 'http_request_error', 'MM_URI_TOO_LONG'])
    const large = await get(connector, '/', '-H', `X: ${'y'.repeat(2_000)}`)
    expect(ownAnswer(large)).toEqual([431, 'http_request_error', 'MM_REQUEST_HEADER_LIMIT'])
    const many = await get(
      connector,
      '/',
      ...Array.from({ length: 21 }, (_, i) => ['-H', `X-${i}: y`]).flat(),
    )
    expect(ownAnswer(many)).toEqual([431, 'http_request_error', 'MM_REQUEST_HEADER_LIMIT'])
    const body = await curl(['--data-binary', '@-', `${connector.url}/`], { input: Buffer.alloc(1_001, 'x') })
    expect(ownAnswer(body)).toEqual([413, 'http_request_error', 'MM_REQUEST_BODY_LIMIT'])
    expect(origin.requestsSeen()).toBe(before)
    const fits = await curl(['--data-binary', '@-', `${connector.url}/inspect`], {
      input: Buffer.alloc(1_000, 'x'),
    })
    expect(JSON.parse(fits.body.toString())).toMatchObject({ bodyBytes: 1_000 })
  })

  it('stops a chunked body as soon as it is too large', async () => {
    await using connector = await inFrontOf(origin.url, {}, { ingress: { maxBodyBytes: 1_000 } })
    using client = rawClient(connector.port)
    client.send('POST /inspect HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n')
    for (let i = 0; i < 3; i++) client.send(`1f4\r\n${'x'.repeat(500)}\r\n`)
    expect(ownAnswerOf(await client.untilClosed())).toEqual([
      413,
      'http_request_error',
      'MM_REQUEST_BODY_LIMIT',
    ])
  })

  it('answers a head that comes drop by drop with 408, and closes a connection that says nothing', async () => {
    await using connector = await inFrontOf(
      origin.url,
      {},
      { ingress: { headerTimeout: '200ms', keepAliveTimeout: '300ms' } },
    )
    using drops = rawClient(connector.port)
    using silent = rawClient(connector.port)
    drops.send('GET / HTTP/1.1\r\nHost: a\r\n')
    const dripping = setInterval(() => drops.send('X: y\r\n'), 40)
    const answer = await drops.untilClosed()
    clearInterval(dripping)
    expect(ownAnswerOf(answer)).toEqual([408, 'http_request_error', 'MM_CLIENT_TIMEOUT'])
    expect(await silent.untilClosed()).toBe('')
  })

  it('answers a body that stops with 408, and ends the exchange with the origin', async () => {
    await using connector = await inFrontOf(origin.url, {}, { ingress: { requestTimeout: '200ms' } })
    using client = rawClient(connector.port)
    client.send('POST /inspect HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf')
    expect(ownAnswerOf(await client.untilClosed())).toEqual([408, 'http_request_error', 'MM_CLIENT_TIMEOUT'])
    expect((await connector.pool('origin')).connections).toMatchObject({ leased: 0, draining: 0 })
  })

  it('takes no more connections than it may', async () => {
    await using connector = await inFrontOf(origin.url, {}, { ingress: { maxConnections: 2 } })
    const clients = Array.from({ length: 2 }, () => rawClient(connector.port))
    for (const client of clients) {
      client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
      await client.until(/\}\n$/)
    }
    expect(await talkUntilClosed(connector.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')).toBe('')
    for (const client of clients) client.socket.destroy()
    await expect
      .poll(async () => {
        using next = rawClient(connector.port)
        next.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
        return await next.until(/\}\n$/)
      })
      .toMatch(/^HTTP\/1\.1 200/)
  })
})

describe('requests that are not forwarded', () => {
  let origin: TestOrigin
  let connector: TestConnector
  beforeAll(async () => {
    origin = await startQuickOrigin()
    connector = await inFrontOf(origin.url, { hosts: ['a'] })
  })
  afterAll(async () => {
    await connector[Symbol.asyncDispose]()
    await origin.close()
  })

  async function talk(request: string): Promise<string> {
    using client = rawClient(connector.port)
    client.send(request)
    return await client.until(/\r\n\r\n.*\}\n?$/)
  }

  it('CONNECT: 405', async () => {
    expect(ownAnswerOf(await talk('CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n'))).toEqual([
      405,
      'http_request_denied',
      'MM_METHOD_REFUSED',
    ])
    expect(origin.requestsSeen()).toBe(0)
  })

  it('for a host without a route: 404, and the connection stays', async () => {
    using client = rawClient(connector.port)
    client.send('GET / HTTP/1.1\r\nHost: b\r\n\r\n')
    expect(ownAnswerOf(await client.until(/\}\}$/))).toEqual([404, 'destination_not_found', 'MM_NO_ROUTE'])
    client.send('GET /here HTTP/1.1\r\nHost: a\r\n\r\n')
    expect(await client.until(/"path":"\/here"/)).toContain('HTTP/1.1 200 OK')
  })

  it('that say that they go no further (Max-Forwards: 0)', async () => {
    using client = rawClient(connector.port)
    client.send('OPTIONS * HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n')
    expect(await client.until(/\r\n\r\n$/)).toMatch(
      /^HTTP\/1\.1 204 No Content\r\n(?:.+\r\n)*allow: GET, HEAD/,
    )
    const before = origin.requestsSeen()
    expect(await talk('OPTIONS /x HTTP/1.1\r\nHost: a\r\nMax-Forwards: 1\r\n\r\n')).toContain('"path":"/x"')
    expect(origin.requestsSeen()).toBe(before + 1)
  })

  it('that came through this connector before: 502, proxy_loop_detected', async ctx => {
    ctx.skip(noCurl !== undefined, noCurl)
    const port = await freePort()
    const listen = [{ address: `127.0.0.1:${port}` }]
    await using loop = await inFrontOf(`http://127.0.0.1:${port}`, {}, { listen })
    const answer = await get(loop)
    expect(ownAnswer(answer)).toEqual([502, 'proxy_loop_detected', 'MM_LOOP_DETECTED'])
    expect((await loop.pool('origin')).requests).toBe(1)
    // Two connectors in a row are a chain and no loop.
    await using second = await inFrontOf(`http://127.0.0.1:${connector.port}`)
    const chained = await get(second, '/inspect', '-H', 'Host: b')
    expect(chained.status).toBe(404) // the first one knows no host 127.0.0.1
    await using third = await inFrontOf(`http://127.0.0.1:${connector.port}`, { hostHeader: 'preserve' })
    const through = await get(third, '/inspect', '-H', 'Host: a')
    expect(through.body.toString()).toMatch(/1\.1 middlemile \(\w+\), 1\.1 middlemile \(\w+\)/)
  })
})

describe('clients of all kinds', () => {
  it('get pipelined answers in the order of their requests', async () => {
    const origin = await startQuickOrigin()
    await using connector = await inFrontOf(origin.url)
    using client = rawClient(connector.port)
    const paths = ['/slow?ms=200', '/a', '/slow?ms=50', '/b', '/c']
    client.send(paths.map(path => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`).join(''))
    const text = await client.until(/"path":"\/c"\}/)
    expect(text.match(/\{.*\}/g)?.map(body => JSON.parse(body))).toEqual([
      { slow: true },
      { method: 'GET', path: '/a' },
      { slow: true },
      { method: 'GET', path: '/b' },
      { method: 'GET', path: '/c' },
    ])
    expect(origin.connectionsSeen()).toBe(1)
    await origin.close()
  })

  it('of HTTP/1.0 get no chunks, no 1xx, and a close unless they keep alive', async () => {
    const origin = await startQuickOrigin()
    await using connector = await inFrontOf(origin.url)
    const chunked = await talkUntilClosed(connector.port, 'GET /chunked/5 HTTP/1.0\r\n\r\n')
    expect(chunked).toMatch(/^HTTP\/1\.[01] 200 OK\r\n/)
    expect(chunked).not.toMatch(/transfer-encoding/i)
    expect(chunked).toMatch(/\r\n\r\n\0\x01\x02\x03\x04$/)
    const early = await talkUntilClosed(connector.port, 'GET /informational HTTP/1.0\r\nHost: a\r\n\r\n')
    expect(early.match(/HTTP\/1\.[01] \d+/g)).toHaveLength(1)
    using keeping = rawClient(connector.port)
    for (const path of ['/1', '/2']) {
      keeping.send(`GET ${path} HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n`)
      await keeping.until(new RegExp(`"path":"${path}"`))
    }
    expect(keeping.received).toMatch(/connection: keep-alive/i)
    await origin.close()
  })

  it('that ask for a close get one, and the connection to the origin stays', async () => {
    const origin = await startQuickOrigin()
    await using connector = await inFrontOf(origin.url)
    for (let i = 0; i < 3; i++) {
      const text = await talkUntilClosed(
        connector.port,
        'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
      )
      expect(text).toMatch(/connection: close/i)
    }
    expect([origin.connectionsSeen(), origin.requestsSeen()]).toEqual([1, 3])
    await origin.close()
  })

  it('that go away while the origin thinks end its exchange too', async () => {
    const server = createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo // it listens on TCP
    await using connector = await inFrontOf(`http://127.0.0.1:${port}`)
    const asked = once(server, 'request')
    using client = rawClient(connector.port)
    client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    const [request] = (await asked) as [IncomingMessage]
    const gone = once(request.socket, 'close')
    client.socket.destroy()
    await gone
    await sleep(10)
    expect((await connector.pool('origin')).retries).toBe(0)
    server.close()
  })
})
