import { createHash } from 'node:crypto'
import { type ClientHttp2Session, connect, type IncomingHttpHeaders } from 'node:http2'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTransport, type Transport } from '../../../src/index.ts'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { type Http2Origin, startHttp2Origin } from '../../../src/testing/http2-origin.ts'
import { patternBytes } from '../../../src/testing/origin-answers.ts'

interface Got {
  status: number
  headers: IncomingHttpHeaders
  trailers: IncomingHttpHeaders
  informational: number[]
  body: Buffer
}

/** The origin of the test kit that speaks HTTP/2, seen by Node's client. */
describe('the HTTP/2 origin', () => {
  let origin: Http2Origin
  let client: ClientHttp2Session
  let ca: string
  beforeAll(async () => {
    const authority = await createCertificateAuthority()
    ca = authority.cert
    origin = await startHttp2Origin({ tls: await authority.issue({ names: ['localhost'] }) })
    client = connect(origin.url, { ca })
  })
  afterAll(async () => {
    client.destroy()
    await origin.close()
  })

  const get = (path: string, method = 'GET', body?: Buffer): Promise<Got> =>
    new Promise((resolve, reject) => {
      const stream = client.request({ ':path': path, ':method': method, 'content-type': 'text/x' })
      const got: Got = { status: 0, headers: {}, trailers: {}, informational: [], body: Buffer.alloc(0) }
      const chunks: Buffer[] = []
      stream.on('headers', headers => got.informational.push(headers[':status'] ?? 0))
      stream.on('response', headers => {
        got.status = headers[':status'] ?? 0
        got.headers = headers
      })
      stream.on('trailers', trailers => void (got.trailers = trailers))
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('error', reject)
      stream.on('end', () => resolve({ ...got, body: Buffer.concat(chunks) }))
      stream.end(body)
    })

  it('answers every path as the table of the origins says', async () => {
    expect(JSON.parse((await get('/any')).body.toString())).toEqual({ method: 'GET', path: '/any' })
    const bytes = await get('/bytes/1000000')
    expect([bytes.headers['content-length'], bytes.body.equals(patternBytes(1_000_000))]).toEqual([
      '1000000',
      true,
    ])
    const chunked = await get('/chunked/1000')
    expect([chunked.headers['content-length'], chunked.body.length]).toEqual([undefined, 1000])
    expect((await get('/slow?ms=5')).body.toString()).toContain('slow')
    expect((await get('/drip?n=3&ms=1')).body.length).toBe(30)
    const trailers = await get('/trailers')
    expect([trailers.body.toString(), trailers.trailers['x-checksum']]).toEqual(['with trailers', 'abc123'])
    expect((await get('/informational')).informational).toEqual([103])
    const redirect = await get('/redirect?to=/other')
    expect([redirect.status, redirect.headers['location']]).toEqual([302, '/other'])
    expect([(await get('/status/404')).status, (await get('/status/204')).body.length]).toEqual([404, 0])
    expect((await get('/bytes/10', 'HEAD')).headers['content-length']).toBe('10')
    await expect(get('/abort')).rejects.toThrow(/NGHTTP2|aborted|closed/)
  })

  it('gives bodies back, and reports what it saw of them', async () => {
    const body = patternBytes(300_000)
    const echo = await get('/echo', 'POST', body)
    expect([echo.body.equals(body), echo.headers['content-type']]).toEqual([true, 'text/x'])
    const seen: unknown = JSON.parse((await get('/inspect', 'PUT', body)).body.toString())
    expect(seen).toMatchObject({
      method: 'PUT',
      url: '/inspect',
      bodyBytes: 300_000,
      bodySha256: createHash('sha256').update(body).digest('hex'),
    })
  })

  it('counts', async () => {
    const before = origin.requestsSeen()
    await get('/')
    expect(origin.requestsSeen()).toBe(before + 1)
    expect([origin.connectionsSeen(), origin.connectionsOpen()]).toEqual([1, 1])
    expect(origin.connectionsByProtocol()).toEqual({ h2: 1, 'http/1.1': 0 })
  })

  describe('and our transport', () => {
    let transport: Transport
    beforeAll(() => {
      transport = createTransport({ defaults: { tls: { ca } } })
    })
    afterAll(() => transport.close())

    it('get along: a burst on one connection, and an upgrade by extended CONNECT on the same', async () => {
      const before = origin.connectionsSeen()
      const texts = await Promise.all(
        Array.from({ length: 100 }, async (_, i) => (await transport.request(`${origin.url}/${i}`)).text()),
      )
      expect(texts[99]).toBe('{"method":"GET","path":"/99"}\n')
      const { known } = await transport.explain(origin.url)
      const facts = known.map(({ fact }) => fact)
      expect(facts).toContainEqual(expect.stringMatching(/^offers extended CONNECT: /))
      expect(origin.connectionsSeen()).toBe(before + 1)
    })

    it('by prior knowledge, too; and its limit of streams is kept', async () => {
      const plain = await startHttp2Origin({ maxConcurrentStreams: 5, delayMs: 5 })
      const own = createTransport({ defaults: { protocols: ['h2'], pool: { maxConnections: 2 } } })
      try {
        const statuses = await Promise.all(
          Array.from({ length: 40 }, async () => {
            const response = await own.request(plain.url)
            await response.dump()
            return response.status
          }),
        )
        expect(new Set(statuses)).toEqual(new Set([200]))
        expect(plain.connectionsSeen()).toBe(2)
        expect(own.stats().pools[0]).toMatchObject({ retries: 0, byProtocol: { h2: { capacity: 10 } } })
      } finally {
        await own.close()
        await plain.close()
      }
    })
  })
})
