import { describe, expect, it } from 'vitest'
import { createTransport } from '../../../src/api/transport.ts'
import { systemClock } from '../../../src/base/clock.ts'
import type { ResolvedAddress } from '../../../src/base/http/endpoint.ts'
import type { Lookup } from '../../../src/dns/address-resolver.ts'
import type { Transport, TransportOptions } from '../../../src/index.ts'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { startHttp2Origin } from '../../../src/testing/http2-origin.ts'
import { startHttp3Origin } from '../../../src/testing/http3-origin.ts'
import { startQuickOrigin, type TestOrigin } from '../../../src/testing/origins.ts'
import { load } from '../../support/load.ts'
import { requireQuic } from '../../support/require-quic.ts'

const OLD = '127.0.0.1'
const NEW = '127.0.0.2'
const REFRESH_MS = 100

/** A name whose addresses are the test's. */
class FakeNames {
  addresses: readonly string[] = [OLD]
  fails = false
  lookups = 0
  readonly lookup: Lookup = (_host, callback) => {
    this.lookups += 1
    if (this.fails) return callback(new Error('the resolver is away'), [])
    callback(
      null,
      this.addresses.map((address): ResolvedAddress => ({ address, family: 4 })),
    )
  }
}

/** The same origin at two addresses, and a transport that finds it under a name of the test's. */
async function setUp(
  protocol: 'http/1.1' | 'h2' | 'h3',
  options: TransportOptions = {},
  refreshMs = REFRESH_MS,
) {
  const authority = await createCertificateAuthority()
  const tls = await authority.issue({ names: ['shop.test'] })
  const start = (address: string, port = 0): Promise<Pick<TestOrigin, 'port' | 'close' | 'requestsSeen'>> => {
    if (protocol === 'h3') return startHttp3Origin({ tls, address, port })
    return protocol === 'h2'
      ? startHttp2Origin({ tls, address, port })
      : startQuickOrigin({ tls, address, port })
  }
  const before = await start(OLD)
  const after = await start(NEW, before.port)
  const names = new FakeNames()
  const stop = new AbortController()
  const url = `https://shop.test:${before.port}/bytes/1000`
  const { defaults, ...others } = options
  const transport: Transport = createTransport(
    {
      resolver: {
        dnsRefreshMs: refreshMs,
        dnsCacheMs: 0,
        dnsNegativeCacheMs: 0,
        dnsStaleRecheckMs: 0,
        networkCheckMs: 0,
      },
      defaults: { protocols: [protocol], tls: { ca: authority.cert }, ...defaults },
      ...others,
    },
    { clock: systemClock, random: Math.random, lookup: names.lookup },
  )
  return {
    names,
    before,
    after,
    transport,
    pool: () => transport.stats().pools[0],
    /**
     * Requests, so many at once, until they are stopped: at the latest with the world, since a closed
     * transport would refuse them without end.
     */
    run(concurrency: number) {
      const running = load(transport, url, { concurrency, until: stop.signal })
      return async () => {
        stop.abort()
        return (await running).failures
      }
    },
    async [Symbol.asyncDispose]() {
      stop.abort()
      await transport.close()
      await Promise.all([before.close(), after.close()])
    },
  }
}

describe.each(['http/1.1', 'h2', 'h3'] as const)(
  'connections by %s whose address has left the DNS answers',
  protocol => {
    const missing = protocol === 'h3' ? requireQuic() : undefined

    it('are drained under load: no request fails, and all go to the new address in the end', async ctx => {
      ctx.skip(missing !== undefined, missing)
      await using world = await setUp(protocol)
      const { run, names, before, after, pool } = world
      const stop = run(3)
      await expect.poll(() => before.requestsSeen()).toBeGreaterThan(50)
      names.addresses = [NEW]
      await expect
        .poll(() => pool()?.list.every(line => line.includes(NEW)) === true, { timeout: 8_000 })
        .toBe(true)
      const [seenBefore, seenAfter] = [before.requestsSeen(), after.requestsSeen()]
      await expect.poll(() => after.requestsSeen()).toBeGreaterThan(seenAfter + 20)
      expect([await stop(), before.requestsSeen()]).toEqual([[], seenBefore])
      expect(pool()).toMatchObject({ retries: 0, closed: { 'address-gone': expect.any(Number) } })
    })
  },
)

describe('the connections of an origin', () => {
  it('stay while lookups fail, and while the new address has nobody to answer', async () => {
    // A pool that carries nothing for one interval is out of use, and a busy machine may have the load stand
    // still for a moment.
    await using world = await setUp('h2', { defaults: { pool: { backoffMaxMs: 100 } } }, 5 * REFRESH_MS)
    const { run, names, before, after, pool } = world
    await after.close()
    const stop = run(2)
    await expect.poll(() => before.requestsSeen()).toBeGreaterThan(20)
    names.fails = true
    const failed = names.lookups
    await expect.poll(() => names.lookups, { timeout: 15_000 }).toBeGreaterThan(failed + 5)
    expect(pool()?.closed).toEqual({})
    names.fails = false
    names.addresses = [NEW]
    await expect.poll(() => pool()?.connectFailures ?? 0, { timeout: 15_000 }).toBeGreaterThan(1)
    expect([await stop(), pool()?.closed]).toEqual([[], {}])
  })

  it('are not looked up again where the operator has fixed their address', async () => {
    await using world = await setUp('h2', { defaults: { endpoints: [OLD] } })
    const { run, names, before, pool } = world
    names.addresses = [NEW]
    const stop = run(2)
    const startedAt = performance.now()
    await expect.poll(() => performance.now() - startedAt, { timeout: 3_000 }).toBeGreaterThan(8 * REFRESH_MS)
    expect([await stop(), names.lookups, pool()?.closed]).toEqual([[], 0, {}])
    expect(before.requestsSeen()).toBeGreaterThan(0)
  })
})
