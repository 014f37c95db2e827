import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DEFAULT_TIMEOUTS } from '../../../src/entry/options.ts'
import { DEFAULT_INGRESS_LIMITS } from '../../../src/ingress/ingress-limits.ts'
import type { OriginConfig, ServiceConfig } from '../../../src/service/index.ts'
import { startQuickOrigin, type TestOrigin } from '../../../src/testing/origins.ts'
import { type CurlResult, curl } from '../../support/curl.ts'
import { ownAnswer, ownAnswerOf } from '../../support/own-answer.ts'
import { parsePrometheusText } from '../../support/prometheus-text.ts'
import { rawClient, talkUntilClosed } from '../../support/raw-client.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { startConnector, type TestConnector } from '../../support/start-connector.ts'
import { freePort } from '../../support/tcp-port.ts'

const noCurl = requireBinary('curl')

function inFrontOf(url: string, options: Partial<OriginConfig> = {}, config: Partial<ServiceConfig> = {}) {
  return startConnector({ ...config, origins: { origin: { url, ...options } } })
}

async function get(connector: TestConnector, path = '/', ...args: string[]): Promise<CurlResult> {
  return await curl([...args, `${connector.url}${path}`])
}

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
    ['what begins like the preface of HTTP/2', `PRI * HTTP/2.0\r\n\r\nSM\r\n\r${smuggled}`],
    ['HTTP/0.9', `GET /\r\n${smuggled}`],
  ])('are answered with 400 and a close, and nothing reaches the origin: %s', async ([, text]) => {
    const before = origin.requestsSeen()
    const answer = await talkUntilClosed(connector.port, text ?? '')
    expect(ownAnswerOf(answer)).toEqual([400, 'http_request_error', 'MM_BAD_REQUEST'])
    expect(answer).toMatch(/\r\nconnection: close\r\n/)
    expect(answer.match(/HTTP\/1\.1 \d+/g)).toHaveLength(1)
    expect(origin.requestsSeen()).toBe(before)
  })

  it.for([
    ['a size that is no number', 'z\r\nabc\r\n0\r\n\r\n'],
    ['a size with a sign', '-3\r\nabc\r\n0\r\n\r\n'],
    ['a size that overflows', '1ffffffffffffffff\r\nabc\r\n0\r\n\r\n'],
    ['a bare LF behind a size', '3\nabc\r\n0\r\n\r\n'],
    ['data beyond its size', '3\r\nabcd\r\n0\r\n\r\n'],
    ['a length among its trailers', '0\r\nContent-Length: 5\r\n\r\n'],
  ])('as a chunked body with %s get no answer of the origin, and a close', async ([, body]) => {
    const text = `POST /inspect HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n${body}${smuggled}`
    const seen = origin.requestsSeen()
    const answer = await talkUntilClosed(connector.port, text)
    expect(ownAnswerOf(answer)).toEqual([400, 'http_request_error', 'MM_BAD_REQUEST'])
    expect(answer.match(/HTTP\/1\.1 \d+/g)).toHaveLength(1)
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

  it('answer 414, 431 and 413, and nothing reaches the origin', async ctx => {
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

  it('stop a chunked body as soon as it is too large', async () => {
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

  it('answer a head that comes drop by drop with 408, and close a connection that sends nothing', async () => {
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

  it('answer a body that stops with 408, and end the exchange with the origin', async () => {
    await using connector = await inFrontOf(origin.url, {}, { ingress: { requestTimeout: '200ms' } })
    using client = rawClient(connector.port)
    client.send('POST /inspect HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf')
    expect(ownAnswerOf(await client.untilClosed())).toEqual([408, 'http_request_error', 'MM_CLIENT_TIMEOUT'])
    expect((await connector.pool('origin')).connections).toMatchObject({ leased: 0, draining: 0 })
    // The same silence runs into the origin's timeout, whose answer would be 504.
    expect(DEFAULT_INGRESS_LIMITS.requestTimeoutMs).toBeLessThan(DEFAULT_TIMEOUTS.bodyMs)
  })

  it('accept no more connections than allowed', async () => {
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

  it('get 405 for CONNECT', async () => {
    expect(ownAnswerOf(await talk('CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n'))).toEqual([
      405,
      'http_request_denied',
      'MM_METHOD_REFUSED',
    ])
    expect(origin.requestsSeen()).toBe(0)
  })

  it('get 404 for a host without a route, and the connection stays', async () => {
    using client = rawClient(connector.port)
    client.send('GET / HTTP/1.1\r\nHost: b\r\n\r\n')
    expect(ownAnswerOf(await client.until(/\}\}$/))).toEqual([404, 'destination_not_found', 'MM_NO_ROUTE'])
    client.send('GET /here HTTP/1.1\r\nHost: a\r\n\r\n')
    expect(await client.until(/"path":"\/here"/)).toContain('HTTP/1.1 200 OK')
  })

  it('include those that say that they go no further (Max-Forwards: 0)', async () => {
    using client = rawClient(connector.port)
    client.send('OPTIONS * HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n')
    expect(await client.until(/\r\n\r\n$/)).toMatch(
      /^HTTP\/1\.1 204 No Content\r\n(?:.+\r\n)*allow: GET, HEAD/,
    )
    const before = origin.requestsSeen()
    expect(await talk('OPTIONS /x HTTP/1.1\r\nHost: a\r\nMax-Forwards: 1\r\n\r\n')).toContain('"path":"/x"')
    expect(origin.requestsSeen()).toBe(before + 1)
  })

  it('get 502 with proxy_loop_detected if they came through this connector before', async ctx => {
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

  it('may ask in origin, absolute and asterisk form, and the origin sees what they asked for, as a normal path', async () => {
    const origin = await startQuickOrigin()
    await using connector = await inFrontOf(origin.url)
    using client = rawClient(connector.port)
    for (const [target, path] of [
      ['/a//b/../c%2f%20d?x=%2F&y', '/a//c%2F%20d?x=%2F&y'],
      ['http://a/absolute?x', '/absolute?x'],
      ['http://a', '/'],
    ]) {
      const before = client.received.length
      client.send(`GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`)
      await client.until(new RegExp(`^[^]{${before}}[^]*\\}\\n$`))
      expect(client.received.slice(before)).toContain(`{"method":"GET","path":"${path}"}`)
    }
    client.send('OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n')
    expect(await client.until(/OPTIONS/)).toContain('{"method":"OPTIONS","path":"*"}')
    await origin.close()
  })

  it('of HTTP/1.0 get no chunks, no 1xx, and a close unless they keep alive', async () => {
    const origin = await startQuickOrigin()
    await using connector = await inFrontOf(origin.url)
    const chunked = await talkUntilClosed(connector.port, 'GET /chunked/5 HTTP/1.0\r\n\r\n')
    expect(chunked).toMatch(/^HTTP\/1\.[01] 200 OK\r\n/)
    expect(chunked).not.toMatch(/transfer-encoding/i)
    expect(chunked.split('\r\n\r\n')[1]).toBe('\0\x01\x02\x03\x04')
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

  it('that go away before the origin answers end its exchange too', async () => {
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
