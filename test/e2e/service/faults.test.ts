import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DEFAULT_RETRY_OPTIONS } from '../../../src/entry/options.ts'
import type { OriginConfig } from '../../../src/service/index.ts'
import { type CertificateAuthority, createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { startQuickOrigin, type TestOrigin } from '../../../src/testing/origins.ts'
import { type CurlResult, curl } from '../../support/curl.ts'
import { startLoopbackServer } from '../../support/loopback-server.ts'
import { ownAnswer } from '../../support/own-answer.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { startConnector, type TestConnector } from '../../support/start-connector.ts'
import { freePort } from '../../support/tcp-port.ts'

const noCurl = requireBinary('curl')

function inFrontOf(url: string, options: Partial<OriginConfig> = {}) {
  return startConnector({ origins: { origin: { url, ...options } } })
}

async function get(connector: TestConnector, path = '/', ...args: string[]): Promise<CurlResult> {
  return await curl([...args, `${connector.url}${path}`])
}

describe.skipIf(noCurl !== undefined)('an origin with a fault', () => {
  let authority: CertificateAuthority
  let slow: TestOrigin
  beforeAll(async () => {
    authority = await createCertificateAuthority()
    slow = await startQuickOrigin()
  })
  afterAll(() => slow.close())

  it('that is down gives 502 with connection_refused, and is found again when it is back', async () => {
    const port = await freePort()
    await using connector = await inFrontOf(`http://127.0.0.1:${port}`, { pool: { backoffMax: '100ms' } })
    expect(ownAnswer(await get(connector))).toEqual([502, 'connection_refused', 'MM_CONNECT_REFUSED'])
    const head = await get(connector, '/', '--head')
    expect([head.exitCode, head.status]).toEqual([0, 502])
    const origin = await startQuickOrigin({ port })
    await expect.poll(async () => (await get(connector)).status).toBe(200)
    await origin.close()
  })

  it('whose name does not resolve gives 502 with dns_error', async () => {
    await using connector = await inFrontOf('http://absent.invalid')
    expect(ownAnswer(await get(connector))).toEqual([502, 'dns_error', 'MM_DNS_FAILED'])
  })

  it('that takes too long to answer gives 504 with http_response_timeout', async () => {
    await using connector = await inFrontOf(slow.url, { timeouts: { headers: '500ms' } })
    expect(ownAnswer(await get(connector, '/silent'))).toEqual([
      504,
      'http_response_timeout',
      'MM_HEADERS_TIMEOUT',
    ])
    expect((await get(connector, '/slow?ms=20')).status).toBe(200)
  })

  it('that takes too long in all gives 504', async () => {
    await using connector = await inFrontOf(slow.url, { timeouts: { request: '100ms' } })
    expect(ownAnswer(await get(connector, '/silent'))).toEqual([
      504,
      'http_response_timeout',
      'MM_REQUEST_TIMEOUT',
    ])
  })

  it('that dies in mid-body makes the client see a broken response', async () => {
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

  it('that stops in mid-body makes the client see a broken response after timeouts.body', async () => {
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

  it('that answers with nothing gives 502 with connection_terminated', async () => {
    await using rude = await startLoopbackServer({
      onConnection: socket => void socket.on('data', () => socket.end()),
    })
    await using connector = await inFrontOf(`http://127.0.0.1:${rude.port}`)
    expect(ownAnswer(await get(connector))).toEqual([502, 'connection_terminated', 'MM_CONNECTION_CLOSED'])
    expect(rude.accepted()).toBe(1 + DEFAULT_RETRY_OPTIONS.maxUnanswered)
  })

  it.for([
    ['no HTTP at all', 'SSH-2.0-OpenSSH_9.2\r\n'],
    ['both lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc'],
    ['a folded line', 'HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n'],
    ['a split head', 'HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: b\r\nContent-Length: 0\r\n\r\n'],
  ])('that sends %s gives 502 with http_protocol_error', async ([, answer]) => {
    await using broken = await startLoopbackServer({
      onConnection: socket => void socket.on('data', () => socket.write(answer ?? '')),
    })
    await using connector = await inFrontOf(`http://127.0.0.1:${broken.port}`)
    expect(ownAnswer(await get(connector))).toEqual([502, 'http_protocol_error', 'MM_PROTOCOL_ERROR'])
  })

  it('that sends too large a head gives 502 with http_response_header_section_size', async () => {
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
  ] as const)('with a certificate %s gives 502 with tls_certificate_error', async ([, { ca, ...issue }]) => {
    const tls = await authority.issue(issue)
    const origin = await startQuickOrigin({ tls })
    const trusted = ca === 'same' ? authority.cert : (await createCertificateAuthority()).cert
    await using connector = await inFrontOf(origin.url, { tls: { ca: trusted } })
    expect(ownAnswer(await get(connector))).toEqual([502, 'tls_certificate_error', 'MM_TLS_CERTIFICATE'])
    expect(origin.requestsSeen()).toBe(0)
    await origin.close()
  })

  it('that speaks no TLS gives 502 with tls_protocol_error', async () => {
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
  it('refuses with 503 when it is full, and when the wait is too long', async () => {
    const held: ServerResponse[] = []
    const server = createServer((_request, response) => held.push(response))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo // it listens on TCP
    await using connector = await inFrontOf(`http://127.0.0.1:${port}`, {
      pool: { maxConnections: 1, maxWaiters: 1, queueTimeout: '3s' },
    })
    const busy = get(connector)
    await expect.poll(() => held.length).toBe(1)
    const waiting = get(connector)
    await expect.poll(async () => (await connector.pool('origin')).waiters).toBe(1)
    const refused = await get(connector)
    expect(ownAnswer(refused)).toEqual([503, 'connection_limit_reached', 'MM_QUEUE_FULL'])
    expect(ownAnswer(await waiting)).toEqual([503, 'connection_limit_reached', 'MM_QUEUE_TIMEOUT'])
    held[0]?.end('ok')
    expect((await busy).status).toBe(200)
    expect(await connector.pool('origin')).toMatchObject({
      opened: { cleartext: 1 },
      requests: 1,
      waiters: 0,
    })
    server.closeAllConnections()
    server.close()
  })
})
