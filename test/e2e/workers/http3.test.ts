import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTransport, type Transport } from '../../../src/index.ts'
import { createCertificateAuthority, type IssuedCertificate } from '../../../src/testing/certificates.ts'
import { startQuickOrigin, type TestOrigin } from '../../../src/testing/origins.ts'
import { type ConnectorProcess, startConfiguredConnector } from '../../support/connector-process.ts'
import { runGtlsclient } from '../../support/gtlsclient.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { requireQuic } from '../../support/require-quic.ts'
import { volume } from '../../support/volume.ts'
import { readyWorkers, scrape, untilReplaced } from '../../support/worker-service.ts'

const missing = requireBinary('gtlsclient') ?? requireQuic()
let identity: IssuedCertificate
let origin: TestOrigin
beforeAll(async () => {
  const authority = await createCertificateAuthority()
  identity = await authority.issue({ names: ['localhost', '127.0.0.1'] })
  origin = await startQuickOrigin({})
})
afterAll(() => origin.close())

function start(http3: object = {}): Promise<ConnectorProcess> {
  const { cert, key } = identity
  return startConfiguredConnector({
    workers: { count: 2, hangTimeout: '1s' },
    listen: [{ address: '127.0.0.1:0', tls: { cert, key }, protocols: ['h3', 'h2'], http3 }],
    shutdown: { drainTimeout: '5s' },
    origins: { quick: { url: origin.url } },
  })
}

/** A client of HTTP/3, and the handshakes that it made. */
function client(pool: object = {}): Transport & { readonly handshakes: string[] } {
  const handshakes: string[] = []
  const transport = createTransport({
    defaults: { tls: { ca: identity.ca }, protocols: ['h3'], pool },
    observer: event => {
      if (event.type === 'connection-opened') handshakes.push(event.connection.handshake.kind)
    },
  })
  return Object.assign(transport, { handshakes })
}

async function get(transport: Transport, url: string): Promise<number> {
  const answer = await transport.request(url)
  await text(answer.body)
  return answer.status
}

describe.skipIf(missing !== undefined)(
  `workers with a listener for HTTP/3${missing === undefined ? '' : `: ${missing}`}`,
  () => {
    it('share new connections, and one that dies takes none of the others with it', async () => {
      await using connector = await start()
      const clients = Array.from({ length: 40 }, () => client())
      try {
        for (const one of clients) expect(await get(one, connector.url)).toBe(200)
        const page = await scrape(connector)
        const shares = ['1', '2'].map(worker => page.sum('middlemile_worker_connections', { worker }))
        expect((shares[0] ?? 0) + (shares[1] ?? 0)).toBe(40)
        // Forty fair coins: less than 6 of a side come once in a million.
        expect(Math.min(...shares)).toBeGreaterThan(5)
        const [victim] = await readyWorkers(connector)
        process.kill(victim?.pid ?? 0, 'SIGKILL')
        await untilReplaced(connector, victim?.pid ?? 0, 2)
        for (const one of clients) expect(await get(one, connector.url)).toBe(200)
        // Those of the dead one were reset, and connected anew; nobody else did.
        const again = clients.filter(({ handshakes }) => handshakes.length > 1).length
        expect(again).toBe(shares[0])
      } finally {
        await Promise.all(clients.map(one => one.close()))
      }
    })

    it('keep a client that moves to another address in mid-transfer', async () => {
      await using connector = await start({ clientMigration: 'on' })
      for (let run = 0; run < volume(4, 20); run++) {
        const got = await runGtlsclient(connector.port, ['/bytes/3000000'], {
          download: true,
          isQuiet: true,
          args: ['--change-local-addr=20ms'],
        })
        expect([got.exitCode, got.bodies.get('/bytes/3000000')?.length]).toEqual([0, 3_000_000])
      }
      expect((await scrape(connector)).sum('middlemile_ingress_sessions_total', { protocol: 'h3' })).toBe(
        volume(4, 20),
      )
    })

    it('resume a session at whichever worker it comes to', async () => {
      await using connector = await start()
      await using one = client({ idleTimeoutMs: 20 })
      while (one.handshakes.length < 12) {
        await get(one, connector.url)
        await new Promise(resolve => setTimeout(resolve, 50))
      }
      expect(new Set(one.handshakes.slice(1))).toEqual(new Set(['resumed']))
    })
  },
)
