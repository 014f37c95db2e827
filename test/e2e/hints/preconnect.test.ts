import { describe, expect, it, onTestFinished } from 'vitest'
import {
  createTransport,
  type OriginOptions,
  type Protocol,
  type Transport,
  type TransportEvent,
} from '../../../src/index.ts'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { startQuickOrigin, type TestOrigin } from '../../../src/testing/origins.ts'
import { startCaddy } from '../../support/caddy.ts'
import { startNginx } from '../../support/nginx.ts'
import { parsePrometheusText } from '../../support/prometheus-text.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { requireQuic } from '../../support/require-quic.ts'
import { startConnector } from '../../support/start-connector.ts'

const noNginx = requireBinary('nginx')
const noCaddy = requireBinary('caddy')
const noQuic = requireQuic()

/** Whom the hints name. */
async function openOrigin(): Promise<TestOrigin> {
  const origin = await startQuickOrigin()
  onTestFinished(() => origin.close())
  return origin
}

/** Two origins, of which the first one's responses name the second. Connections of the second are its own. */
async function startPair(hints: { target: string; shop: string; ca?: string }, own: OriginOptions = {}) {
  const events: TransportEvent[] = []
  const transport = createTransport({
    defaults: { select: { exploreShare: 0 }, coalesce: 'never', ...(hints.ca && { tls: { ca: hints.ca } }) },
    origins: { [hints.shop]: own, [hints.target]: { protocols: ['http/1.1'] } },
    observer: event => void events.push(event),
  })
  const opened = () =>
    events.filter(event => event.type === 'connection-opened' && event.origin.key === hints.target).length
  return { transport, events, opened }
}

const idOf = (events: readonly TransportEvent[], key: string) =>
  events.flatMap(event =>
    event.type === 'connection-opened' && event.origin.key === key ? [event.connection.id] : [],
  )[0]

const poolOf = (transport: Transport, key: string) =>
  transport.stats().pools.find(({ origin }) => origin === key)

describe.skipIf(noNginx !== undefined)('nginx, whose responses link to another origin', () => {
  it.each<Protocol>(['http/1.1', 'h2'])(
    'gets a connection to that over %s before its first request comes',
    async protocol => {
      const target = await openOrigin()
      await using nginx = await startNginx({
        http2: true,
        extraServer: `add_header Link '</s.css>; rel=preload, <${target.url}/>; rel="preconnect"; crossorigin';`,
      })
      const ca = nginx.certificates.ca
      const { transport, events, opened } = await startPair(
        { target: target.url, shop: nginx.url, ca },
        { protocols: [protocol] },
      )
      await using _ = transport
      await (await transport.request(`${nginx.url}/1k`)).bytes()
      await expect.poll(opened).toBe(1)
      await (await transport.request(`${nginx.url}/1k`)).bytes()
      const hinted = events.filter(({ type }) => type === 'preconnect-hinted')
      expect(hinted).toMatchObject([{ origin: { key: target.url }, by: nginx.url, source: 'response' }])
      const { known } = await transport.explain(target.url)
      expect(known.map(({ fact }) => fact)).toContain(
        `a connection was opened ahead, since ${nginx.url} named the origin in a response`,
      )
      const ahead = idOf(events, target.url)
      const response = await transport.request(`${target.url}/`)
      await response.bytes()
      expect(response.info.connectionId).toBe(ahead)
      expect(opened()).toBe(1)
      expect(target.connectionsSeen()).toBe(1)
      expect(poolOf(transport, target.url)?.hints).toMatchObject({ opened: 1, unused: 0 })
    },
  )

  it('opens nothing where that origin forbids it, nor to one that is not configured', async () => {
    const target = await openOrigin()
    const stranger = await openOrigin()
    await using nginx = await startNginx({
      extraServer: `add_header Link '<${target.url}>; rel=preconnect, <${stranger.url}>; rel=preconnect';`,
    })
    for (const name of [target.url, nginx.plainUrl]) {
      await using transport = createTransport({
        origins: { [target.url]: {}, [nginx.plainUrl]: {}, [name]: { preconnectHints: 'never' } },
      })
      await (await transport.request(`${nginx.plainUrl}/1k`)).bytes()
      await new Promise(resolve => setTimeout(resolve, 50))
      const refused = poolOf(transport, target.url)?.hints.refused
      expect(refused).toBe(name === target.url ? 1 : undefined)
      expect(transport.stats().totalConnections).toBe(1)
    }
    expect([target.connectionsSeen(), stranger.connectionsSeen()]).toEqual([0, 0])
  })

  it('makes a service connect by the public host of an origin, logs it and counts it', async () => {
    const target = await openOrigin()
    await using nginx = await startNginx({
      extraServer: "add_header Link '<https://static.example>; rel=preconnect';",
    })
    await using connector = await startConnector({
      origins: {
        shop: { url: nginx.plainUrl, hosts: ['shop.example', '127.0.0.1'] },
        static: { url: target.url, hosts: ['static.example'] },
      },
    })
    expect((await fetch(`${connector.url}/1k`)).headers.get('link')).toBe(
      '<https://static.example>; rel=preconnect',
    )
    await expect.poll(async () => (await connector.pool('static')).connections.idle).toBe(1)
    await (await fetch(`${connector.url}/1k`)).arrayBuffer()
    await new Promise(resolve => setTimeout(resolve, 1100)) // the same links are read once a second
    await (await fetch(`${connector.url}/1k`)).arrayBuffer()
    expect(connector.log.join('\n')).toContain(
      `static: connecting ahead: ${nginx.plainUrl} named it in a response`,
    )
    const metrics = parsePrometheusText(await (await fetch(`${connector.adminUrl}/metrics`)).text())
    const value = (outcome: string) =>
      metrics.sum('middlemile_preconnect_hints_total', { origin: 'static', outcome })
    expect([value('opened'), value('warm'), value('paced')]).toEqual([1, 1, 0])
    expect(target.connectionsSeen()).toBe(1)
  })
})

describe.skipIf(noCaddy !== undefined)('caddy, which sends Early Hints', () => {
  it.each<Protocol>(['http/1.1', 'h2', 'h3'])(
    'lets the connect begin over %s before the response does',
    async protocol => {
      if (protocol === 'h3' && noQuic !== undefined) return
      const target = await openOrigin()
      const authority = await createCertificateAuthority()
      await using caddy = await startCaddy({
        authority,
        http2: true,
        http3: true,
        extraSite: `route /hinted {
        header Link "<${target.url}>; rel=preconnect"
        respond 103
        header -Link
        respond "done" 200
      }`,
      })
      const { transport, events, opened } = await startPair(
        { target: target.url, shop: caddy.url, ca: authority.cert },
        { protocols: [protocol] },
      )
      await using _ = transport
      const response = await transport.request(`${caddy.url}/hinted`)
      expect(await response.text()).toBe('done')
      expect(response.info).toMatchObject({ protocol, informational: [{ status: 103 }] })
      expect(events.filter(({ type }) => type === 'preconnect-hinted')).toMatchObject([
        { source: 'early-hints' },
      ])
      await expect.poll(opened).toBe(1)
      await (await transport.request(`${target.url}/`)).bytes()
      expect(target.connectionsSeen()).toBe(1)
    },
  )
})
