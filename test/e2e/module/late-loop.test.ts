import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  createTransport,
  type OriginOptions,
  type RequestOptions,
  type Transport,
} from '../../../src/index.ts'
import { type Nginx, startNginx } from '../../support/nginx.ts'
import { requireBinary } from '../../support/require-binary.ts'

const missing = requireBinary('nginx')

const KEEP_ALIVE_MS = 50
const CONNECTIONS = 16
const ROUNDS = 3

/** Nothing is read meanwhile, while the origin closes what it finds idle. */
function holdUp(ms: number): void {
  const until = performance.now() + ms
  while (performance.now() < until);
}

describe.skipIf(missing !== undefined)(
  'an event loop that is late, and an origin that closes after 50 ms',
  () => {
    let nginx: Nginx
    beforeAll(async () => {
      nginx = await startNginx({ http2: true, keepaliveTimeout: `${KEEP_ALIVE_MS}ms` })
    })
    afterAll(() => nginx?.stop())

    it.each<[string, () => { url: string; options: OriginOptions }]>([
      ['HTTP/1.1', () => ({ url: nginx.plainUrl, options: { protocols: ['http/1.1'] } })],
      ['HTTP/1.1 over TLS', () => ({ url: nginx.url, options: { protocols: ['http/1.1'] } })],
      ['HTTP/2', () => ({ url: nginx.h2cUrl, options: { protocols: ['h2'] } })],
      ['HTTP/2 over TLS', () => ({ url: nginx.url, options: { protocols: ['h2'] } })],
    ])('fail no POST over %s, and send none twice', async (_name, where) => {
      const { url, options } = where()
      await using transport = createTransport({
        defaults: { ...options, tls: { ca: nginx.certificates.ca }, pool: { maxConnections: CONNECTIONS } },
      })
      const before = (await nginx.counters()).requests
      for (let round = 0; round < ROUNDS; round += 1) {
        await send(transport, { url: `${url}/1k`, method: 'GET' })
        holdUp(3 * KEEP_ALIVE_MS)
        await send(transport, { url: `${url}/sink`, method: 'POST', body: 'pay' })
      }
      expect((await nginx.counters()).requests - before).toBe(2 * ROUNDS * CONNECTIONS)
    })
  },
)

/** One on each connection; all are answered. */
async function send(
  transport: Transport,
  { url, ...request }: RequestOptions & { url: string },
): Promise<void> {
  const statuses = Array.from({ length: CONNECTIONS }, async () => {
    const response = await transport.request(url, request)
    await response.dump()
    return response.status
  })
  expect(new Set(await Promise.all(statuses))).toEqual(new Set([200]))
}
