import type { NetworkInterfaceInfo } from 'node:os'
import { describe, expect, it, vi } from 'vitest'
import { createTransport, type OriginOptions, type TransportEvent } from '../../../src/index.ts'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { startHttp3Origin } from '../../../src/testing/http3-origin.ts'
import { requireQuic } from '../../support/require-quic.ts'

/** What this machine has, as the test says; nothing else can take an address away from under the process. */
const machine = vi.hoisted(() => ({ addresses: ['127.0.0.1'] }))
vi.mock('node:os', async original => ({
  ...(await original<object>()),
  networkInterfaces: () => ({
    eth0: machine.addresses.map(address => ({ address }) as NetworkInterfaceInfo), // nothing else is looked at
  }),
}))

const missing = requireQuic()

describe.skipIf(missing !== undefined)(
  `a machine that loses the address of its connections${missing === undefined ? '' : ` (${missing})`}`,
  () => {
    async function setUp(options: OriginOptions) {
      machine.addresses = ['127.0.0.1']
      const tls = await (await createCertificateAuthority()).issue({ names: ['localhost'] })
      const origin = await startHttp3Origin({ tls, allowsMigration: true })
      const events: TransportEvent[] = []
      const transport = createTransport({
        resolver: { networkCheckMs: 20 },
        defaults: { protocols: ['h3'], tls: { ca: tls.ca }, ...options },
        observer: event => void events.push(event),
      })
      return {
        transport,
        url: origin.url,
        moves: () => events.flatMap(event => (event.type === 'migration' ? [event.report] : [])),
        async [Symbol.asyncDispose]() {
          await transport.close()
          await origin.close()
        },
      }
    }

    it('moves them at once, in the middle of a response', async () => {
      await using world = await setUp({ trusted: true })
      const { transport, url, moves } = world
      const response = await transport.request(`${url}/drip?n=30&ms=60`)
      machine.addresses = ['192.0.2.1']
      await expect
        .poll(() => moves().map(({ cause, outcome }) => `${cause} ${outcome}`))
        .toContain('address-gone moved')
      expect((await response.bytes()).length).toBe(300)
      expect(transport.stats().pools[0]).toMatchObject({ opened: { full: 1 }, retries: 0, closed: {} })
    })

    it('ends those at once that cannot move, and makes new ones', async () => {
      await using world = await setUp({})
      const { transport, url, moves } = world
      await (await transport.request(`${url}/`)).dump()
      const response = await transport.request(`${url}/drip?n=100&ms=20`)
      const body = response.bytes()
      machine.addresses = ['192.0.2.1']
      await expect(body).rejects.toMatchObject({ code: 'MM_CONNECTION_CLOSED', processed: 'yes' })
      expect([transport.stats().pools[0]?.closed, moves()]).toEqual([{ 'path-failed': 1 }, []])
      const next = await transport.request(`${url}/`)
      await next.dump()
      expect([next.status, next.info.reused]).toEqual([200, false])
    })

    it('leaves them alone when it gains another one', async () => {
      await using world = await setUp({ trusted: true })
      const { transport, url, moves } = world
      const response = await transport.request(`${url}/drip?n=10&ms=20`)
      machine.addresses = ['127.0.0.1', '192.0.2.1']
      await response.dump()
      transport.networkChanged()
      const next = await transport.request(`${url}/`)
      await next.dump()
      expect([next.info.reused, moves().filter(({ cause }) => cause === 'address-gone')]).toEqual([true, []])
    })
  },
)
