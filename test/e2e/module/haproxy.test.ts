import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTransport, type Transport } from '../../../src/index.ts'
import { bodyOf } from '../../support/body-files.ts'
import { type Haproxy, startHaproxy } from '../../support/haproxy.ts'
import { load } from '../../support/load.ts'
import { parseReflection } from '../../support/nginx.ts'
import { requireBinary } from '../../support/require-binary.ts'

const missing = requireBinary('haproxy')

/** The module against haproxy over TLS, whose certificate is checked. */
describe.skipIf(missing !== undefined)('the module and haproxy', () => {
  let haproxy: Haproxy
  let transport: Transport

  beforeAll(async () => {
    haproxy = await startHaproxy()
    transport = createTransport({ defaults: { tls: { ca: haproxy.certificates.ca } } })
  })
  afterAll(async () => {
    await transport.close()
    await haproxy.stop()
  })

  it('reads the answers of haproxy, with a body and without', async () => {
    const full = await transport.request(`${haproxy.url}/1k`)
    expect((await full.bytes()).equals(bodyOf(1024))).toBe(true)
    const none = await transport.request(`${haproxy.url}/204`)
    expect([none.status, (await none.bytes()).length]).toEqual([204, 0])
    const head = await transport.request(`${haproxy.url}/1k`, { method: 'HEAD' })
    expect([head.status, (await head.bytes()).length]).toEqual([200, 0])
    const busy = await transport.request(`${haproxy.url}/503`)
    expect([busy.status, await busy.text()]).toEqual([503, 'busy'])
  })

  it('sends requests as haproxy expects them', async () => {
    const response = await transport.request(`${haproxy.url}/reflect`, {
      method: 'POST',
      headers: { 'X-Test': 'yes' },
      body: 'x',
    })
    expect(parseReflection(await response.text())).toMatchObject({
      'request-line': 'POST /reflect HTTP/1.1',
      host: `localhost:${haproxy.tlsPort}`,
      connection: '',
      'x-test': 'yes',
      'tls-server-name': 'localhost',
    })
  })

  it.each([
    ['of known length', () => Buffer.alloc(10_000, 'u')],
    ['in chunks', () => Readable.from([Buffer.alloc(4_000, 'u'), Buffer.alloc(6_000, 'v')])],
  ])('uploads a body %s', async (_how, body) => {
    const response = await transport.request(`${haproxy.url}/sink`, { method: 'POST', body: body() })
    expect(await response.text()).toBe('10000')
  })

  it('ends a connection when the answer says so, and counts what haproxy counts', async () => {
    await using own = createTransport({ defaults: { tls: { ca: haproxy.certificates.ca } } })
    const before = await haproxy.counters()
    const result = await load(own, `${haproxy.url}/close`, { requests: 40, concurrency: 4 })
    expect(result.failures).toEqual([])
    const after = await haproxy.counters()
    expect(after.connections - before.connections).toBe(40)
    expect(own.stats().pools[0]?.closed).toEqual({ 'peer-closed': 40 })
  })

  it('refuses a certificate that it has no reason to trust', async () => {
    await using stranger = createTransport()
    await expect(stranger.request(`${haproxy.url}/1k`)).rejects.toMatchObject({ code: 'MM_TLS_CERTIFICATE' })
  })
})

describe.skipIf(missing !== undefined)(
  'the module and a haproxy that closes idle connections at once',
  () => {
    it('fails no idempotent request that races with the close', async () => {
      const keepAliveMs = 40
      await using haproxy = await startHaproxy({ keepAliveTimeout: `${keepAliveMs}ms` })
      await using transport = createTransport({ defaults: { tls: { ca: haproxy.certificates.ca } } })
      const failures: unknown[] = []
      let requests = 0
      const lane = async (index: number): Promise<void> => {
        // Pauses all around the timeout, so that many requests leave just as the FIN is on its way.
        for (const end = performance.now() + 4_000; performance.now() < end; ) {
          requests++
          try {
            const response = await transport.request(`${haproxy.url}/1k`)
            expect((await response.bytes()).length).toBe(1024)
          } catch (error) {
            failures.push(error)
          }
          await sleep(keepAliveMs - 6 + ((requests + index) % 9))
        }
      }
      await Promise.all(Array.from({ length: 8 }, (_, index) => lane(index)))
      expect(failures).toEqual([])
      const pool = transport.stats().pools[0]
      expect(requests).toBeGreaterThan(100)
      expect(pool?.closed['peer-closed']).toBeGreaterThan(20)
      expect(pool?.retries).toBeGreaterThan(0) // the race did take place
      expect((await haproxy.counters()).connections).toBe(
        (pool?.opened.full ?? 0) + (pool?.opened.resumed ?? 0),
      )
    })
  },
)
