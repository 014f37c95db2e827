import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTransport, type OriginOptions, type PoolStats } from '../../../src/index.ts'
import { type Nginx, startNginx } from '../../support/nginx.ts'
import { requireBinary } from '../../support/require-binary.ts'

const missing = requireBinary('nginx')

/** What `reuse` makes of requests that come one after the other, in connections that the origin counted. */
describe.skipIf(missing !== undefined)('the mode of reuse, at nginx,', () => {
  let nginx: Nginx

  beforeAll(async () => {
    nginx = await startNginx({ http2: true })
  })
  afterAll(() => nginx.stop())

  /** Four times each of them, in turns. */
  async function connectionsOf(
    reuse: NonNullable<OriginOptions['reuse']>,
    methods: readonly string[],
    options: OriginOptions = {},
  ): Promise<{ opened: number; pool: PoolStats }> {
    await using transport = createTransport({
      defaults: { reuse, protocols: ['http/1.1'], tls: { ca: nginx.certificates.ca }, ...options },
    })
    for (let round = 0; round < 4; round += 1) {
      for (const method of methods) {
        const body = method === 'POST' ? { body: 'x' } : {}
        const response = await transport.request(`${nginx.url}/sink`, { method, ...body })
        expect(response.status).toBe(200)
        await response.bytes()
      }
    }
    const pool = transport.stats().pools[0]!
    return { opened: Object.values(pool.opened).reduce((sum, count) => sum + count, 0), pool }
  }

  it('always lets one connection carry all requests', async () => {
    expect((await connectionsOf('always', ['GET', 'POST'])).opened).toBe(1)
  })

  it('never gives each request its own connection, over HTTP/2 as well', async () => {
    const { opened, pool } = await connectionsOf('never', ['GET'])
    expect(opened).toBe(4)
    expect(pool.closed['max-requests']).toBe(4)
    expect((await connectionsOf('never', ['GET'], { protocols: ['h2'] })).opened).toBe(4)
  })

  it('safe gives a request that must not be sent twice a new one, which the others use afterwards', async () => {
    expect((await connectionsOf('safe', ['GET'])).opened).toBe(1)
    const { opened, pool } = await connectionsOf('safe', ['POST', 'GET', 'GET'])
    expect(opened).toBe(4)
    expect(pool.requests - pool.reused).toBe(4)
  })

  it('aggressive lets such a request use a connection that was reused before', async () => {
    // The first POST makes one; it has carried two more by the second POST.
    expect((await connectionsOf('aggressive', ['POST', 'GET', 'GET'])).opened).toBe(1)
    // None was ever reused.
    expect((await connectionsOf('aggressive', ['POST'])).opened).toBe(4)
  })
})
