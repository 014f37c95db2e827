import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTransport, type Transport, type TransportResponse } from '../../../src/index.ts'
import { BODY_BYTES, bodyOf } from '../../support/body-files.ts'
import { startCaddy } from '../../support/caddy.ts'
import { startNghttpd } from '../../support/nghttpd.ts'
import { startNginx } from '../../support/nginx.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { volume } from '../../support/volume.ts'

const STREAMS = 100
const MB = 1024 * 1024
/** Of all streams at once. */
const ROUNDS = volume(1, 3)
const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')
const ONE_MB = sha256(bodyOf(BODY_BYTES['1m']))
const TEN_MB = sha256(bodyOf(BODY_BYTES['10m']))

/** Reads a body without keeping it. */
async function hashOf(response: TransportResponse): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of response.body) hash.update(chunk as Buffer) // no encoding was set
  return hash.digest('hex')
}

/** In a process of its own (vitest.config.ts), so that its memory is only what happens here. */
describe.each([
  ['nginx', startNginx],
  ['caddy', startCaddy],
  ['nghttpd', startNghttpd],
] as const)('100 streams over one connection to %s', (name, start) => {
  const missing = requireBinary(name)
  let server: Awaited<ReturnType<typeof start>> | undefined
  let transport: Transport
  beforeAll(async () => {
    if (missing !== undefined) return
    server = await start({ http2: true, keepaliveRequests: 1_000_000 })
    transport = createTransport({
      defaults: {
        protocols: ['h2'],
        pool: { maxConnections: 1, maxStreamsPerConnection: STREAMS },
        tls: { ca: server.certificates.ca },
      },
    })
    await transport.preconnect(server.url)
    // What is allocated once is not growth.
    for (let round = 0; round < ROUNDS; round++) await all(server.url, '/1m', STREAMS)
  }, 60_000)
  afterAll(async () => {
    await transport?.close()
    await server?.stop()
  })

  const get = (url: string, path: string): Promise<TransportResponse> => transport.request(`${url}${path}`)
  const all = (url: string, path: string, count: number): Promise<string[]> =>
    Promise.all(Array.from({ length: count }, async () => hashOf(await get(url, path))))

  it.for([
    ['at its first byte', 0],
    ['after 100 KB', 100_000],
  ] as const)(
    'are not held up by one whose reader stalls %s, and it loses nothing',
    {
      timeout: 60_000,
    },
    async ([, readBefore], ctx) => {
      ctx.skip(missing !== undefined, missing)
      const { url = '' } = server ?? {}
      const stalled = await get(url, '/10m')
      const hash = createHash('sha256')
      const iterator = stalled.body[Symbol.asyncIterator]()
      let read = 0
      while (read < readBefore) {
        const { value } = (await iterator.next()) as { value: Buffer } // no encoding was set, and there is more
        read += value.length
        hash.update(value)
      }
      const before = process.memoryUsage.rss()
      const startedAt = performance.now()
      expect(new Set(await all(url, '/1m', STREAMS - 1))).toEqual(new Set([ONE_MB]))
      // 99 MB over loopback with two copies and TLS take well below a second each on an idle machine; who is
      // held up waits until the timeouts.
      expect(performance.now() - startedAt).toBeLessThan(40_000)
      expect(process.memoryUsage.rss() - before).toBeLessThan(80 * MB)
      // Again and again: nothing of the window that the stalled reader holds is lost to the others.
      for (let round = 0; round < ROUNDS; round++)
        expect(new Set(await all(url, '/1m', STREAMS - 1))).toEqual(new Set([ONE_MB]))

      for (let next = await iterator.next(); next.done !== true; next = await iterator.next())
        hash.update(next.value as Buffer) // no encoding was set
      expect(hash.digest('hex')).toBe(TEN_MB)
      const pool = transport.stats().pools[0]
      expect(pool?.opened).toMatchObject({ full: 1, resumed: 0 })
      expect(pool?.streams).toBe(0)
    },
  )

  it('can have ten stalled readers at a time, which all get theirs in the end', {
    timeout: 60_000,
  }, async ctx => {
    ctx.skip(missing !== undefined, missing)
    const { url = '' } = server ?? {}
    const before = process.memoryUsage.rss()
    const stalledReaders = await Promise.all(Array.from({ length: 10 }, () => get(url, '/10m')))
    expect(new Set(await all(url, '/1m', STREAMS - 10))).toEqual(new Set([ONE_MB]))
    expect(process.memoryUsage.rss() - before).toBeLessThan(120 * MB)
    expect(new Set(await Promise.all(stalledReaders.map(hashOf)))).toEqual(new Set([TEN_MB]))
    expect(transport.stats().pools[0]?.opened).toMatchObject({ full: 1, resumed: 0 })
  })
})
