import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startConfiguredConnector } from '../../support/connector-process.ts'
import { useEarlyOrigin } from '../../support/early-origin.ts'
import { parseReflection } from '../../support/nginx.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { requireOpenssl } from '../../support/require-openssl.ts'
import { startConnector, type TestConnector } from '../../support/start-connector.ts'
import { makeTemporaryDirectory, type TemporaryDirectory } from '../../support/temporary-directory.ts'

const missing = requireOpenssl() ?? requireBinary('nginx')

/** The connector with an origin that it reaches in early data over TCP. */
describe.skipIf(missing !== undefined).each(['http/1.1', 'h2'] as const)(
  `a connector with early data over TCP, %s${missing === undefined ? '' : ` (${missing})`}`,
  protocol => {
    const home = useEarlyOrigin()
    let directory: TemporaryDirectory
    beforeEach(async () => {
      directory = makeTemporaryDirectory('service-early')
    })
    afterEach(async () => {
      directory.remove()
    })

    const config = () => ({
      state: { directory: join(directory.path, 'state') },
      origins: {
        shop: {
          url: `https://localhost:${home.way.port}`,
          endpoints: [`127.0.0.1:${home.way.port}`],
          protocols: [protocol],
          tls: { ca: home.nginx.certificates.ca },
          earlyData: 'safe' as const,
          earlyDataOverTcp: true,
          pool: { idleTimeout: '30ms' },
        },
      },
    })
    const ask = async (
      connector: Pick<TestConnector, 'url'>,
      path = '/early',
      init: RequestInit = {},
    ): Promise<Record<string, string>> => {
      const response = await fetch(`${connector.url}${path}`, init)
      return { status: String(response.status), ...parseReflection(await response.text()) }
    }
    const untilClosed = (connector: TestConnector) =>
      expect
        .poll(async () => (await connector.pool('shop')).byProtocol[protocol] ?? { idle: 0, leased: 0 })
        .toMatchObject({ idle: 0, leased: 0 })
    /** A ticket, and no connection; answers leave before the handshake is complete. */
    const warmUp = async (connector: TestConnector): Promise<void> => {
      expect(await ask(connector)).toMatchObject({ status: '200', early: '', reused: '.' })
      await untilClosed(connector)
      home.way.delayMs = 20
    }

    it('sends what is safe in it, and marks nothing that the client sent behind its handshake', async () => {
      await using connector = await startConnector(config())
      await warmUp(connector)
      // RFC 8470 5.1: Early-Data is for what came before the client's handshake was complete. Nothing comes
      // so over TCP.
      expect(await ask(connector)).toEqual({ status: '200', early: '1', reused: 'r', marked: '' })
      await untilClosed(connector)
      const [safe, posted] = await Promise.all([
        ask(connector),
        ask(connector, '/early', { method: 'POST', body: 'x' }),
      ])
      expect([safe['early'], posted['early']]).toEqual(['1', ''])
      expect([safe['status'], posted['status']]).toEqual(['200', '200'])
    })

    it('passes on the mark of a client, and the 425 that answers it', async () => {
      await using connector = await startConnector(config())
      await warmUp(connector)
      const headers = { 'early-data': '1' }
      expect(await ask(connector, '/early', { headers })).toMatchObject({ early: '1', marked: '1' })
      await untilClosed(connector)
      expect(await ask(connector, '/too-early', { headers })).toMatchObject({ status: '425' })
      await untilClosed(connector)
      expect(await ask(connector, '/too-early')).toEqual({ status: '200', early: '', marked: '' })
    })

    it('counts it, and writes it down', async () => {
      await using connector = await startConnector(config())
      await warmUp(connector)
      await ask(connector)
      await home.nginx.restart()
      await untilClosed(connector)
      await ask(connector)
      const metrics = (await (await fetch(`${connector.adminUrl}/metrics`)).text()).split('\n')
      const labels = `origin="shop",protocol="${protocol}"`
      for (const line of [
        `middlemile_early_data_total{${labels},outcome="accepted"} 1`,
        `middlemile_early_data_total{${labels},outcome="rejected"} 1`,
        `middlemile_connections_opened_total{${labels},handshake="early_data"} 1`,
        `middlemile_connections_opened_total{${labels},handshake="full"} 2`,
      ]) {
        expect(metrics).toContain(line)
      }
      expect(await connector.pool('shop')).toMatchObject({ opened: { full: 2, resumed: 0, earlyData: 1 } })
      expect(connector.log.join('\n')).toMatch(
        /early data accepted, tls\.handshake \S+ \(TLSv1\.3, early_data\)/,
      )
      expect(connector.log.join('\n')).toMatch(/early data rejected, tls\.handshake \S+ \(TLSv1\.3, full\)/)
    })

    it('sends the first request after a restart in it, in a process of its own', async () => {
      for (const early of ['', '1', '1']) {
        await using connector = await startConfiguredConnector(config())
        expect(await ask(connector)).toMatchObject({ status: '200', early })
        home.way.delayMs = 20
        await new Promise(resolve => setTimeout(resolve, 700)) // the ticket comes behind the handshake
        connector.cli.signal('SIGTERM')
        expect((await connector.cli.exited).exitCode).toBe(0)
      }
    })
  },
)
