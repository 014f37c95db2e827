import { createHash, randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTransport, type Transport } from '../../../src/index.ts'
import { createCertificateAuthority, type IssuedCertificate } from '../../../src/testing/certificates.ts'
import { type Http3Origin, startHttp3Origin } from '../../../src/testing/http3-origin.ts'
import { patternBytes } from '../../../src/testing/origin-answers.ts'
import { requireQuic } from '../../support/require-quic.ts'

const missing = requireQuic()

/** The origin of the test kit that speaks HTTP/3, seen by our own client. */
describe.skipIf(missing !== undefined)(
  `the HTTP/3 origin${missing === undefined ? '' : `: ${missing}`}`,
  () => {
    let origin: Http3Origin
    let transport: Transport
    let identity: IssuedCertificate
    beforeAll(async () => {
      const authority = await createCertificateAuthority()
      identity = await authority.issue({ names: ['localhost'] })
      origin = await startHttp3Origin({ tls: identity })
      transport = createTransport({ defaults: { protocols: ['h3'], tls: { ca: authority.cert } } })
    })
    afterAll(async () => {
      await transport.close()
      await origin.close()
    })

    const get = (path: string, method = 'GET', body?: Buffer) =>
      transport.request(`${origin.url}${path}`, {
        method,
        headers: { 'content-type': 'text/x' },
        ...(body !== undefined && { body }),
      })
    const json = async (path: string): Promise<unknown> => JSON.parse(await (await get(path)).text())

    it('answers every path as the table of the origins says', async () => {
      expect(await json('/any')).toEqual({ method: 'GET', path: '/any' })
      const bytes = await get('/bytes/1000000')
      expect(bytes.headers['content-length']).toBe('1000000')
      expect(Buffer.from(await bytes.bytes()).equals(patternBytes(1_000_000))).toBe(true)
      const chunked = await get('/chunked/1000')
      expect([chunked.headers['content-length'], (await chunked.bytes()).length]).toEqual([undefined, 1000])
      expect(await json('/slow?ms=5')).toEqual({ slow: true })
      expect((await (await get('/drip?n=3&ms=1')).bytes()).length).toBe(30)
      const trailers = await get('/trailers')
      expect([await trailers.text(), trailers.trailers['x-checksum']]).toEqual(['with trailers', 'abc123'])
      expect(await json('/informational')).toEqual({ informational: true })
      const redirect = await get('/redirect?to=/other')
      expect([redirect.status, redirect.headers['location']]).toEqual([302, '/other'])
      await redirect.dump()
      const statuses = await Promise.all(
        [404, 204].map(async status => {
          const response = await get(`/status/${status}`)
          await response.dump()
          return response.status
        }),
      )
      expect(statuses).toEqual([404, 204])
      const head = await get('/bytes/10', 'HEAD')
      expect([head.headers['content-length'], await head.text()]).toEqual(['10', ''])
      expect(await json('/too-early')).toEqual({ tooEarly: false })
      // A reset throws away what is on its way: the head may be among it.
      const broken = get('/abort').then(response => response.text())
      await expect(broken).rejects.toMatchObject({ code: 'MM_STREAM_RESET' })
    })

    it('gives bodies back, and reports what it saw of them', async () => {
      const body = patternBytes(300_000)
      const echo = await get('/echo', 'POST', body)
      expect(echo.headers['content-type']).toBe('text/x')
      expect(Buffer.from(await echo.bytes()).equals(body)).toBe(true)
      const seen: unknown = JSON.parse(await (await get('/inspect', 'PUT', body)).text())
      expect(seen).toMatchObject({
        method: 'PUT',
        url: '/inspect',
        bodyBytes: 300_000,
        bodySha256: createHash('sha256').update(body).digest('hex'),
      })
    })

    it('answers a burst on few connections, and counts', async () => {
      const before = origin.requestsSeen()
      const texts = await Promise.all(
        Array.from({ length: 300 }, async (_, i) => (await get(`/${i}`)).text()),
      )
      expect(new Set(texts).size).toBe(300)
      expect(origin.requestsSeen()).toBe(before + 300)
      // A connection carries a hundred at once (pool.maxStreamsPerConnection), and fewer while the origin's
      // credit for new streams lags.
      expect(origin.connectionsSeen()).toBeLessThanOrEqual(6)
      expect([origin.resumptionsSeen(), origin.earlyRequestsSeen()]).toEqual([expect.any(Number), 0])
    })

    it('keeps to its limit of requests at once', async () => {
      const small = await startHttp3Origin({ tls: identity, maxConcurrentStreams: 5, delayMs: 5 })
      const own = createTransport({
        defaults: { protocols: ['h3'], tls: { ca: identity.ca }, pool: { maxConnections: 2 } },
      })
      try {
        const statuses = await Promise.all(
          Array.from({ length: 40 }, async () => {
            const response = await own.request(small.url)
            await response.dump()
            return response.status
          }),
        )
        expect(new Set(statuses)).toEqual(new Set([200]))
        expect(small.connectionsSeen()).toBe(2)
      } finally {
        await own.close()
        await small.close()
      }
    })

    it('knows the tickets of before when it has their key again', async () => {
      const settings = { tls: identity, ticketKey: randomBytes(48) }
      const own = createTransport({ defaults: { protocols: ['h3'], tls: { ca: identity.ca } } })
      try {
        const first = await startHttp3Origin(settings)
        await (await own.request(first.url)).dump()
        const { port } = first
        await first.close()
        const second = await startHttp3Origin({ ...settings, port })
        await expect
          .poll(async () => {
            const response = await own.request(second.url).catch(() => undefined)
            await response?.dump()
            return response?.status
          })
          .toBe(200)
        expect([first.resumptionsSeen(), second.resumptionsSeen()]).toEqual([0, 1])
        await second.close()
      } finally {
        await own.close()
      }
    })

    it('drains: it takes no more, and what is under way is answered', async () => {
      const draining = await startHttp3Origin({ tls: identity, delayMs: 50 })
      const own = createTransport({ defaults: { protocols: ['h3'], tls: { ca: identity.ca } } })
      try {
        const asked = own.request(`${draining.url}/bytes/100000`)
        await expect.poll(() => draining.requestsSeen()).toBe(1)
        const drained = draining.drain()
        expect((await (await asked).bytes()).length).toBe(100_000)
        await drained
        expect(draining.connectionsOpen()).toBe(0)
      } finally {
        await own.close()
        await draining.close()
      }
    })
  },
)
