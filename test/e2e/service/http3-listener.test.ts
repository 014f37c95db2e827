import { createHash, X509Certificate } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTransport } from '../../../src/index.ts'
import type { ListenConfig } from '../../../src/service/index.ts'
import {
  type CertificateAuthority,
  createCertificateAuthority,
  type IssuedCertificate,
} from '../../../src/testing/certificates.ts'
import { startQuickOrigin, type TestOrigin } from '../../../src/testing/origins.ts'
import { startConfiguredConnector } from '../../support/connector-process.ts'
import { type GtlsclientOptions, type GtlsclientResult, runGtlsclient } from '../../support/gtlsclient.ts'
import { parsePrometheusText } from '../../support/prometheus-text.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { requireQuic } from '../../support/require-quic.ts'
import { runTool } from '../../support/run-tool.ts'
import { startConnector } from '../../support/start-connector.ts'
import { freePort } from '../../support/tcp-port.ts'
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts'
import { startUdpRelay } from '../../support/udp-relay.ts'

// gtlsclient is ngtcp2 and nghttp3, Chromium has a QUIC of its own: clients that are not ours.

const missing = requireBinary('gtlsclient') ?? requireQuic()
const withoutBrowser = missing ?? requireBinary('chromium')
let authority: CertificateAuthority
let identity: IssuedCertificate
let origin: TestOrigin
beforeAll(async () => {
  authority = await createCertificateAuthority()
  identity = await authority.issue({ names: ['localhost', '127.0.0.1'] })
  origin = await startQuickOrigin({})
})
afterAll(() => origin.close())

function http3Listener(http3?: ListenConfig['http3']): ListenConfig {
  return {
    address: '127.0.0.1:0',
    tls: { cert: identity.cert, key: identity.key },
    protocols: ['h3', 'h2', 'http/1.1'],
    ...(http3 !== undefined && { http3 }),
  }
}

/** Answers 425 to whatever says that it is early, as an origin that wants no replay does, and echoes the rest. */
async function startWaryOrigin() {
  const seen: string[] = []
  const server = createServer((request, response) => {
    const isEarly = request.headers['early-data'] === '1'
    seen.push(`${request.method} ${isEarly ? 'early' : 'late'}`)
    response.statusCode = isEarly && request.url === '/refused' ? 425 : 200
    request.resume()
    request.on('end', () => response.end(`${isEarly}`))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return {
    url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`,
    seen,
    [Symbol.dispose]: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}

const statusesOf = ({ responses }: GtlsclientResult): number[][] =>
  [...responses.values()].map(({ statuses }) => statuses)

describe.skipIf(missing !== undefined)(
  `a listener for HTTP/3${missing === undefined ? '' : `: ${missing}`}`,
  () => {
    it('is at the UDP port of its number, announced over TCP, and counted with the others', async () => {
      await using connector = await startConnector({
        listen: [http3Listener()],
        origins: { quick: { url: origin.url } },
      })
      await using transport = createTransport({
        defaults: { tls: { ca: identity.ca }, protocols: ['h2'], select: { altSvc: 'off' } },
      })
      const overTcp = await transport.request(connector.url)
      await text(overTcp.body)
      expect(overTcp.headers['alt-svc']).toBe(`h3=":${connector.port}"; ma=86400`)
      const got = await runGtlsclient(connector.port, ['/a', '/b'], { download: true })
      expect([got.alpn, statusesOf(got)]).toEqual(['h3', [[200], [200]]])
      expect(got.responses.get(0)?.headers['via']).toContain('middlemile')
      const page = parsePrometheusText(await (await fetch(`${connector.adminUrl}/metrics`)).text())
      expect(page.sum('middlemile_ingress_requests_total', { protocol: 'h3' })).toBe(2)
      expect(page.sum('middlemile_ingress_requests_total', { protocol: 'h2' })).toBe(1)
      expect(connector.log.join('\n')).toContain(`${connector.url} (h3, h2, http/1.1)`)
    })

    it('announces another port, or nothing, where it is to', async () => {
      const announced = async (altSvc: 'off' | { port: number; maxAge: string }): Promise<unknown> => {
        await using connector = await startConnector({
          listen: [http3Listener({ altSvc })],
          origins: { quick: { url: origin.url } },
        })
        const got = await runGtlsclient(connector.port, ['/a'])
        return got.responses.get(0)?.headers['alt-svc']
      }
      expect(await announced({ port: 443, maxAge: '1h' })).toBe('h3=":443"; ma=3600')
      expect(await announced('off')).toBeUndefined()
    })

    it('serves UDP alone where nothing else is to be spoken', async () => {
      await using connector = await startConnector({
        listen: [{ ...http3Listener(), protocols: ['h3'] }],
        origins: { quick: { url: origin.url } },
      })
      expect(statusesOf(await runGtlsclient(connector.port, ['/a']))).toEqual([[200]])
      await expect(fetch(connector.url)).rejects.toThrow()
    })

    it('has clients prove their address where that is on', async () => {
      await using connector = await startConnector({
        listen: [http3Listener({ retry: 'always' })],
        origins: { quick: { url: origin.url } },
      })
      const got = await runGtlsclient(connector.port, ['/a'])
      expect([got.isRetried, statusesOf(got)]).toEqual([true, [[200]]])
    })

    it('serves safe requests from early data, with the 425 of the origin, and others after the handshake', async () => {
      using wary = await startWaryOrigin()
      await using connector = await startConnector({
        listen: [http3Listener({ earlyData: 'safe' })],
        origins: { wary: { url: wary.url } },
      })
      using directory = makeTemporaryDirectory('early')
      const memory = join(directory.path, 'memory')
      mkdirSync(memory)
      const run = (paths: readonly string[], options: GtlsclientOptions = {}): Promise<GtlsclientResult> =>
        runGtlsclient(connector.port, paths, { memory, authority: 'localhost', ...options })
      expect(statusesOf(await run(['/first']))).toEqual([[200]])
      const early = await run(['/again', '/refused'])
      expect([early.earlyPackets > 0, early.isEarlyDataRejected, statusesOf(early)]).toEqual([
        true,
        false,
        [[200], [425]],
      ])
      const post = await run(['/post'], { method: 'POST', body: Buffer.from('abc') })
      expect([post.earlyPackets > 0, statusesOf(post)]).toEqual([true, [[200]]])
      expect(wary.seen).toEqual(['GET late', 'GET early', 'GET early', 'POST late'])
    })

    it('shows another certificate after a reload, and goes on with the connections that it has', async () => {
      using directory = makeTemporaryDirectory('certificate')
      const files = { cert: join(directory.path, 'cert.pem'), key: join(directory.path, 'key.pem') }
      const write = ({ cert, key }: IssuedCertificate): void => {
        writeFileSync(files.cert, cert)
        writeFileSync(files.key, key)
      }
      write(identity)
      await using connector = await startConfiguredConnector({
        listen: [{ ...http3Listener(), tls: files }],
        origins: { quick: { url: origin.url } },
      })
      const renewed = await authority.issue({ names: ['localhost', '127.0.0.1'] })
      let opened = 0
      await using before = createTransport({
        defaults: { tls: { ca: identity.ca }, protocols: ['h3'] },
        observer: ({ type }) => {
          if (type === 'connection-opened') opened++
        },
      })
      await text((await before.request(connector.url)).body)
      write(renewed)
      const reload = await fetch(`${connector.adminUrl}/reload`, { method: 'POST' })
      expect(reload.status).toBe(200)
      await text((await before.request(connector.url)).body)
      expect(opened).toBe(1)
      const other = await createCertificateAuthority()
      await using strict = createTransport({
        defaults: { tls: { ca: other.cert }, protocols: ['h3'] },
      })
      await expect(strict.request(connector.url)).rejects.toMatchObject({ code: 'MM_TLS_CERTIFICATE' })
      const expiries = parsePrometheusText(await (await fetch(`${connector.adminUrl}/metrics`)).text())
      const listeners = expiries.samples.filter(
        ({ name, labels }) =>
          name === 'middlemile_certificate_expiry_timestamp_seconds' && labels['of'] === 'listener',
      )
      expect(listeners.map(({ value }) => value)).toEqual([
        Date.parse(new X509Certificate(renewed.cert).validTo) / 1000,
      ])
    })

    it('ends the connections that it knew before it crashed, so that clients lose no time', async () => {
      const port = await freePort()
      const start = () =>
        startConfiguredConnector({
          listen: [{ ...http3Listener(), address: `127.0.0.1:${port}` }],
          origins: { quick: { url: origin.url } },
        })
      // No news comes through it that nobody listens any more.
      await using relay = await startUdpRelay(port)
      const url = `https://127.0.0.1:${relay.port}`
      const closed: string[] = []
      await using transport = createTransport({
        defaults: { tls: { ca: identity.ca }, protocols: ['h3'] },
        observer: event => {
          if (event.type === 'connection-closed') closed.push(event.error?.message ?? event.reason)
        },
      })
      const crashed = await start()
      await text((await transport.request(url)).body)
      crashed.cli.signal('SIGKILL')
      await crashed.cli.exited
      await using _connector = await start()
      const answer = await transport.request(url)
      await text(answer.body)
      expect(answer.status).toBe(200)
      await expect.poll(() => closed).toEqual([expect.stringContaining('stateless reset')])
    })
  },
)

describe.skipIf(withoutBrowser !== undefined)(
  `Chromium at a listener for HTTP/3${withoutBrowser === undefined ? '' : `: ${withoutBrowser}`}`,
  () => {
    it('gets a page over HTTP/3', async () => {
      await using connector = await startConnector({
        listen: [http3Listener()],
        origins: { quick: { url: origin.url } },
      })
      using profile = makeTemporaryDirectory('chromium')
      const { publicKey } = new X509Certificate(identity.cert)
      const pin = createHash('sha256')
        .update(publicKey.export({ type: 'spki', format: 'der' }))
        .digest('base64')
      const { output } = await runTool(
        'chromium',
        [
          '--headless',
          '--no-sandbox',
          '--disable-gpu',
          `--user-data-dir=${profile.path}`,
          `--origin-to-force-quic-on=127.0.0.1:${connector.port}`,
          `--ignore-certificate-errors-spki-list=${pin}`,
          '--dump-dom',
          `${connector.url}/`,
        ],
        { timeoutMs: 30_000 },
      )
      expect(output).toContain('<html')
      const page = parsePrometheusText(await (await fetch(`${connector.adminUrl}/metrics`)).text())
      expect(page.sum('middlemile_ingress_requests_total', { protocol: 'h3' })).toBeGreaterThan(0)
      expect(page.sum('middlemile_ingress_requests_total', { protocol: 'h2' })).toBe(0)
    })
  },
)
