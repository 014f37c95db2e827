import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { createTransport, type Transport, type TransportOptions } from '../../../src/index.ts'
import {
  type CertificateAuthority,
  createCertificateAuthority,
  type IssuedCertificate,
} from '../../../src/testing/certificates.ts'
import { startHttp2Origin } from '../../../src/testing/http2-origin.ts'
import { bodyOf } from '../../support/body-files.ts'
import { type Caddy, startCaddy } from '../../support/caddy.ts'
import { startConfiguredConnector } from '../../support/connector-process.ts'
import { type ForwardConfig, metric, startForwardProxy } from '../../support/forward-proxy.ts'
import { startMultiplexedProxy } from '../../support/multiplexed-proxy.ts'
import { type Ngtcp2Server, startNgtcp2Server } from '../../support/ngtcp2-server.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { requireQuic } from '../../support/require-quic.ts'
import type { TestConnector } from '../../support/start-connector.ts'
import { until } from '../../support/until.ts'

const missing = requireQuic() ?? requireBinary('caddy', 'gtlsserver')

describe.skipIf(missing !== undefined)(
  `HTTP/3 through a MASQUE proxy${missing === undefined ? '' : `: ${missing}`}`,
  () => {
    let authority: CertificateAuthority
    let identity: IssuedCertificate
    let caddy: Caddy
    let ngtcp2: Ngtcp2Server
    beforeAll(async () => {
      authority = await createCertificateAuthority()
      identity = await authority.issue({ names: ['localhost', '127.0.0.1'] })
      caddy = await startCaddy({ authority, http2: true, http3: true })
      ngtcp2 = await startNgtcp2Server({ authority, bodies: { large: 60_000_000 } })
    })
    afterAll(async () => {
      await caddy?.stop()
      await ngtcp2?.stop()
    })

    const allow = (): string[] => [
      `udp://localhost:${caddy.tlsPort},${ngtcp2.port}`,
      `connect://localhost:${caddy.tlsPort}`,
    ]
    const listenOn = (port = 0) => [
      {
        address: `127.0.0.1:${port}`,
        tls: { cert: identity.cert, key: identity.key },
        protocols: ['h3' as const, 'h2' as const, 'http/1.1' as const],
      },
    ]

    function startProxy(forward: Partial<ForwardConfig> = {}): Promise<TestConnector> {
      return startForwardProxy({ allow: allow(), ...forward }, { listen: listenOn() })
    }

    function through(
      proxies: readonly string[],
      options: TransportOptions['defaults'] = {},
      udpTemplate?: string,
    ): Transport {
      return createTransport({
        egress: { out: { proxies, ca: authority.cert, udpTemplate } },
        defaults: { egress: 'out', tls: { ca: authority.cert }, retry: { maxRetries: 0 }, ...options },
      })
    }

    const urlOf = (scheme: string, proxy: { readonly port: number }, who = ''): string =>
      `${scheme}://${who}127.0.0.1:${proxy.port}`

    async function known(transport: Transport, origin: string): Promise<string> {
      return JSON.stringify(await transport.explain(origin))
    }

    it.each(['h3', 'h2'] as const)('of scheme %s reaches origins that nobody here wrote', async scheme => {
      await using proxy = await startProxy()
      await using transport = through([urlOf(scheme, proxy)], { protocols: ['h3'] })
      for (const { url } of [caddy, ngtcp2]) {
        const response = await transport.request(`${url}/1m`)
        expect([response.status, response.info.protocol]).toEqual([200, 'h3'])
        expect((await response.bytes()).equals(bodyOf(1_048_576))).toBe(true)
      }
      const uploaded = await transport.request(`${caddy.url}/reflect`, {
        method: 'POST',
        body: randomBytes(1_000_000),
      })
      expect(uploaded.status).toBe(200)
      await uploaded.dump()
      expect(await metric(proxy, 'middlemile_udp_tunnels')).toBe(2)
      expect(
        await metric(proxy, 'middlemile_udp_tunnel_datagrams_total', { what: 'from_client' }),
      ).toBeGreaterThan(0)
      const [pool] = transport.stats().pools
      expect(pool?.egress?.members).toMatchObject([
        { name: urlOf(scheme, proxy), opened: 1, udpTunnels: 1, failed: {} },
      ])
      expect(await known(transport, caddy.url)).toContain(`the proxy ${urlOf(scheme, proxy)} of egress out`)
    })

    it('carries datagrams beside the stream where they fit, and drops none of a download', async () => {
      await using proxy = await startProxy()
      await using transport = through([urlOf('h3', proxy)], { protocols: ['h3'] })
      const response = await transport.request(`${ngtcp2.url}/5000000`)
      expect((await response.bytes()).length).toBe(5_000_000)
      expect(await metric(proxy, 'middlemile_udp_tunnel_datagrams_total', { what: 'dropped' })).toBe(0)
    })

    it('carries all on the stream where the proxy offers no datagrams', async () => {
      await using proxy = await startForwardProxy(
        { allow: allow() },
        { listen: listenOn(), ingress: { quic: { maxQueuedDatagrams: 0 } } },
      )
      await using transport = through([urlOf('h3', proxy)], { protocols: ['h3'] })
      const response = await transport.request(`${caddy.url}/1m`)
      expect((await response.bytes()).equals(bodyOf(1_048_576))).toBe(true)
    })

    it('resumes with the tickets that came through it, and with no others', async () => {
      await using proxy = await startProxy()
      const kinds: (string | undefined)[] = []
      await using transport = createTransport({
        egress: {
          out: { proxies: [urlOf('h3', proxy)], ca: authority.cert },
          other: { proxies: [urlOf('h3', proxy)], ca: authority.cert },
        },
        defaults: { tls: { ca: authority.cert }, protocols: ['h3'], reuse: 'never', egress: 'out' },
        observer: event => {
          if (event.type === 'connection-opened' && event.origin.port === caddy.tlsPort)
            kinds.push(event.connection.handshake.kind)
        },
      })
      for (let round = 0; round < 3; round += 1) {
        await (await transport.request(`${caddy.url}/hello`)).dump()
        await until(() => kinds.length === round + 1, 'the connection was reported')
      }
      expect(kinds[0]).toBe('full')
      expect(kinds.slice(1)).toContain('resumed')
    })

    it('is found by Alt-Svc behind TCP, through the same proxy', async () => {
      await using proxy = await startProxy()
      await using transport = through([urlOf('h3', proxy)], { select: { policy: 'latency' } })
      const protocols: string[] = []
      for (let round = 0; round < 40 && !protocols.includes('h3'); round += 1) {
        const response = await transport.request(`${caddy.url}/hello`)
        protocols.push(response.info.protocol)
        await response.dump()
        await new Promise(resolve => setTimeout(resolve, 50))
      }
      expect(protocols[0]).toBe('h2')
      expect(protocols).toContain('h3')
    })

    it('takes the path of a template that both have', async () => {
      const udpTemplate = '/masque{?target_host,target_port}'
      await using proxy = await startProxy({ udpTemplate })
      await using transport = through([urlOf('h3', proxy)], { protocols: ['h3'] }, udpTemplate)
      expect((await transport.request(`${caddy.url}/hello`)).status).toBe(200)
      await using stranger = through([urlOf('h3', proxy)], { protocols: ['h3'] })
      await expect(stranger.request(`${caddy.url}/hello`)).rejects.toMatchObject({ code: 'MM_PROXY_REFUSED' })
    })

    it.each([
      ['has no entry of udp:// for the origin', 'h3', 403],
      ['has no CONNECT-UDP', 'h2', 501],
    ] as const)(
      'that %s turns HTTP/3 off for it, and TCP goes on through it',
      async (_what, scheme, status) => {
        await using refusing =
          status === 403
            ? await startProxy({ allow: allow().slice(1) })
            : await startMultiplexedProxy({
                protocol: scheme,
                tls: { cert: identity.cert, key: identity.key },
                answerToUdp: status,
              })
        await using transport = through([urlOf(scheme, refusing)], { select: { policy: 'latency' } })
        for (let round = 0; round < 10; round += 1) {
          const response = await transport.request(`${caddy.url}/hello`)
          expect([response.status, response.info.protocol]).toEqual([200, 'h2'])
          await response.dump()
          await new Promise(resolve => setTimeout(resolve, 30))
        }
        const explained = await transport.explain(caddy.url)
        const http3 = explained.protocols.find(({ protocol }) => protocol === 'h3')
        expect(http3).toMatchObject({ allowed: false, because: expect.stringContaining(String(status)) })
        expect(JSON.stringify(explained)).toContain('carries no UDP for this origin')
        // By evidence about the proxy: the status of HTTP/3 at the origin is as it was.
        expect(JSON.stringify(explained)).not.toContain('broken')
        await using pinned = through([urlOf(scheme, refusing)], { protocols: ['h3'] })
        await expect(pinned.request(`${caddy.url}/hello`)).rejects.toMatchObject({
          code: 'MM_PROXY_REFUSED',
          processed: 'no',
        })
      },
    )

    it('that breaks its tunnels is at fault itself, and HTTP/3 is not marked broken', async () => {
      await using breaking = await startMultiplexedProxy({
        protocol: 'h2',
        tls: { cert: identity.cert, key: identity.key },
        answerToUdp: 'breaks',
      })
      await using pinned = through([urlOf('h2', breaking)], { protocols: ['h3'] })
      await expect(pinned.request(`${caddy.url}/hello`)).rejects.toMatchObject({
        code: 'MM_PROXY_FAILED',
        message: expect.stringContaining(
          `the proxy ${urlOf('h2', breaking)} of egress out broke a tunnel off`,
        ),
      })
      await using both = through([urlOf('h2', breaking)], { select: { policy: 'latency' } })
      for (let round = 0; round < 10; round += 1) {
        const response = await both.request(`${caddy.url}/hello`)
        expect([response.status, response.info.protocol]).toEqual([200, 'h2'])
        await response.dump()
        await new Promise(resolve => setTimeout(resolve, 30))
      }
      expect(await known(both, caddy.url)).not.toMatch(/"broken|is broken|failedRecently/)
    })

    it('of which the first has no UDP is passed over for one that does', async () => {
      await using proxy = await startProxy()
      await using refusing = await startMultiplexedProxy({
        protocol: 'h2',
        tls: { cert: identity.cert, key: identity.key },
        answerToUdp: 404,
      })
      await using transport = through([urlOf('h2', refusing), urlOf('h3', proxy)], { protocols: ['h3'] })
      expect((await transport.request(`${caddy.url}/hello`)).status).toBe(200)
    })

    it('asks for users, and shows no password', async () => {
      const users = ['ann:2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b']
      await using proxy = await startProxy({ auth: { users } })
      await using known = through([urlOf('h3', proxy, 'ann:secret@')], { protocols: ['h3'] })
      expect((await known.request(`${caddy.url}/hello`)).status).toBe(200)
      await using stranger = through([urlOf('h3', proxy, 'ann:guessed@')], { protocols: ['h3'] })
      const error: unknown = await stranger.request(`${caddy.url}/hello`).catch((failure: unknown) => failure)
      expect(error).toMatchObject({ code: 'MM_PROXY_AUTH' })
      expect(JSON.stringify([error, String(error), await stranger.explain(caddy.url)])).not.toContain(
        'guessed',
      )
    })

    it('reports at once that nobody listens behind it', async () => {
      const origin = await startHttp2Origin({ tls: identity })
      onTestFinished(() => origin.close())
      await using proxy = await startProxy({ allow: [`udp://localhost:${origin.port}`] })
      await using transport = through([urlOf('h3', proxy)], { protocols: ['h3'] })
      const startedAt = performance.now()
      await expect(transport.request(origin.url)).rejects.toMatchObject({ code: 'MM_CONNECT_FAILED' })
      expect(performance.now() - startedAt).toBeLessThan(3_000)
    })

    it('that is killed under a response costs that response, and the next request goes once it is back', async () => {
      const forward = { allow: allow(), allowPrivate: ['127.0.0.0/8', '::1/128'] }
      const routes = [{ name: 'out', forward }]
      const first = await startConfiguredConnector({ origins: {}, routes, listen: listenOn() })
      await using transport = through([`h3://127.0.0.1:${first.port}`], {
        protocols: ['h3'],
        quic: { unresponsiveMs: 300 },
        timeouts: { bodyMs: 3_000 },
      })
      const response = await transport.request(`${ngtcp2.url}/large`)
      first.cli.signal('SIGKILL')
      await expect(response.bytes()).rejects.toMatchObject({ code: expect.stringMatching(/^MM_/) })
      await first[Symbol.asyncDispose]()
      await using second = await startConfiguredConnector({
        origins: {},
        routes,
        listen: listenOn(first.port),
      })
      expect(second.port).toBe(first.port)
      const statuses: (number | string)[] = []
      while (statuses.at(-1) !== 200 && statuses.length < 60) {
        const status = await transport.request(`${caddy.url}/hello`).then(
          async again => {
            await again.dump()
            return again.status
          },
          error => String(error),
        )
        statuses.push(status)
        if (status !== 200) await new Promise(resolve => setTimeout(resolve, 250))
      }
      expect(statuses.at(-1)).toBe(200)
    })
  },
)
