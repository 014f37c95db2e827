import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTransport, type Transport } from '../../../src/index.ts'
import { BODY_BYTES, bodyOf } from '../../support/body-files.ts'
import { type Caddy, startCaddy } from '../../support/caddy.ts'
import { load } from '../../support/load.ts'
import { parseReflection } from '../../support/nginx.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { until } from '../../support/until.ts'

const missing = requireBinary('caddy')

/** The module against caddy (Go's HTTP server) over TLS, whose certificate is checked. */
describe.skipIf(missing !== undefined)('the module and caddy', () => {
  let caddy: Caddy
  let transport: Transport

  beforeAll(async () => {
    caddy = await startCaddy({ idleTimeout: '300ms' })
    transport = createTransport({ defaults: { tls: { ca: caddy.certificates.ca } } })
  })
  afterAll(async () => {
    await transport.close()
    await caddy.stop()
  })

  it.each(['1k', '100k', '10m'] as const)('reads /%s, whole and unchanged', async name => {
    const response = await transport.request(`${caddy.url}/${name}`)
    const hash = createHash('sha256')
    for await (const chunk of response.body) hash.update(chunk as Buffer) // no encoding was set
    expect(hash.digest('hex')).toBe(createHash('sha256').update(bodyOf(BODY_BYTES[name])).digest('hex'))
  })

  it('reads a part of a body when it asks for one', async () => {
    const response = await transport.request(`${caddy.url}/100k`, { headers: { range: 'bytes=1000-1999' } })
    expect(response.status).toBe(206)
    expect((await response.bytes()).equals(bodyOf(102_400).subarray(1000, 2000))).toBe(true)
  })

  it('reads answers without a body', async () => {
    const none = await transport.request(`${caddy.url}/204`)
    expect([none.status, (await none.bytes()).length]).toEqual([204, 0])
    const head = await transport.request(`${caddy.url}/100k`, { method: 'HEAD' })
    expect([head.headers['content-length'], (await head.bytes()).length]).toEqual(['102400', 0])
  })

  it('sends requests as caddy expects them', async () => {
    const response = await transport.request(`${caddy.url}/reflect?x=1`, { headers: { 'x-test': 'yes' } })
    expect(parseReflection(await response.text())).toMatchObject({
      'request-line': 'GET /reflect?x=1 HTTP/1.1',
      host: `localhost:${caddy.tlsPort}`,
      'x-test': 'yes',
      'tls-version': 'tls1.3',
    })
  })

  it('has its uploads drained, so that the connection goes on', async () => {
    for (let i = 0; i < 3; i++) {
      const response = await transport.request(`${caddy.url}/hello`, {
        method: 'POST',
        body: Buffer.alloc(100_000),
      })
      expect(await response.text()).toBe('hello from caddy\n')
      if (i > 0) expect(response.info.reused).toBe(true)
    }
  })

  it('replaces connections that caddy closes when they are idle', async () => {
    await using own = createTransport({ defaults: { tls: { ca: caddy.certificates.ca } } })
    for (let round = 0; round < 3; round++) {
      const result = await load(own, `${caddy.url}/1k`, { requests: 40, concurrency: 4 })
      expect(result.failures).toEqual([])
      await until(() => own.stats().totalConnections === 0, 'caddy has closed them')
    }
    const [pool] = own.stats().pools
    expect(pool?.opened).toMatchObject({ full: 4, resumed: 8 })
    // Once it is learned for how long caddy keeps them, some end just before.
    const { 'peer-closed': byCaddy = 0, 'keep-alive-timeout': inTime = 0 } = pool?.closed ?? {}
    expect(byCaddy).toBeGreaterThanOrEqual(4)
    expect(byCaddy + inTime).toBe(12)
  })
})
