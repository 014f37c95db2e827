import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { type Http3Origin, startHttp3Origin } from '../../../src/testing/http3-origin.ts'
import { requireQuic } from '../../support/require-quic.ts'
import { startConnector } from '../../support/start-connector.ts'
import { makeTemporaryDirectory, type TemporaryDirectory } from '../../support/temporary-directory.ts'

const missing = requireQuic()

/** The connector with an origin that it reaches over HTTP/3, and a state directory. */
describe.skipIf(missing !== undefined)(
  `a connector over HTTP/3${missing === undefined ? '' : ` (${missing})`}`,
  () => {
    let origin: Http3Origin
    let ca: string
    let directory: TemporaryDirectory
    beforeAll(async () => {
      const authority = await createCertificateAuthority()
      ca = authority.cert
      directory = makeTemporaryDirectory('service')
      origin = await startHttp3Origin({
        tls: await authority.issue({ names: ['localhost'] }),
        earlyData: true,
      })
    })
    afterAll(async () => {
      await origin.close()
      directory.remove()
    })

    const start = () =>
      startConnector({
        state: { directory: join(directory.path, 'state') },
        origins: {
          shop: {
            url: origin.url,
            endpoints: ['127.0.0.1'],
            protocols: ['h3'],
            tls: { ca },
            earlyData: 'safe',
            quic: { idleTimeout: '20s' },
          },
        },
      })

    it('sends the first request after a restart in early data, and shows it', async () => {
      {
        await using first = await start()
        expect((await fetch(`${first.url}/`)).status).toBe(200)
        expect(await first.pool('shop')).toMatchObject({
          opened: { full: 1 },
          byProtocol: { h3: { idle: 1 } },
        })
        expect(first.log.join('\n')).toMatch(/quic\.handshake \S+ \(TLSv1\.3, full\), pool: connection added/)
        await first.service.drain()
      }
      await using second = await start()
      expect((await fetch(`${second.url}/`)).status).toBe(200)
      expect((await fetch(`${second.url}/`, { method: 'POST', body: 'x' })).status).toBe(200)
      expect(origin.earlyRequestsSeen()).toBe(1)
      const metrics = await (await fetch(`${second.adminUrl}/metrics`)).text()
      const labels = 'origin="shop",protocol="h3"'
      for (const line of [
        `middlemile_early_data_total{${labels},outcome="accepted"} 1`,
        `middlemile_connections_opened_total{${labels},handshake="early_data"} 1`,
        `middlemile_stream_stall_seconds_count{${labels}} 2`,
        `middlemile_connections{origin="shop",protocol="h3",state="idle"} 1`,
        `middlemile_loss_ratio{${labels}} 0`,
      ]) {
        expect(metrics.split('\n')).toContain(line)
      }
      expect(metrics).toMatch(new RegExp(`^middlemile_rtt_seconds\\{${labels}\\} 0\\.\\d+`, 'm'))
      expect(second.log.join('\n')).toMatch(
        /early data accepted, quic\.handshake \S+ \(TLSv1\.3, early_data\)/,
      )
    })

    it('starts without its state where that is unusable, and says so', async () => {
      const file = join(directory.path, 'state-is-a-file')
      writeFileSync(file, '')
      await using connector = await startConnector({
        state: { directory: file },
        origins: { shop: { url: origin.url, endpoints: ['127.0.0.1'], protocols: ['h3'], tls: { ca } } },
      })
      expect((await fetch(`${connector.url}/`)).status).toBe(200)
      expect(connector.log.join('\n')).toMatch(/warn +the state directory cannot be used: /)
    })
  },
)
