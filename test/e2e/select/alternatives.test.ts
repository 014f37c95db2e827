import { describe, expect, it } from 'vitest'
import { createTransport, type TransportOptions } from '../../../src/index.ts'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { startCaddy } from '../../support/caddy.ts'
import { startHttp2PeerOrigin } from '../../support/http2-peer.ts'
import { frame } from '../../support/http2-wire.ts'
import { MACHINE_IS_SHARED, overheadOf, timeOf } from '../../support/overhead.ts'
import { altSvc } from '../../support/relayed-caddy.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { requireQuic } from '../../support/require-quic.ts'
import { SelectionLog } from '../../support/selection-log.ts'
import { freeDualPort } from '../../support/udp-port.ts'

const missing = requireBinary('caddy') ?? requireQuic()
/**
 * What an alternative is notified of itself (RFC 7838 section 5), and where the request thinks that it is.
 */
const TELLS_ALT_USED = 'respond /hello "{http.request.proto} {header.Alt-Used} {host}"'

/**
 * A caddy at another name and port, which speaks HTTP/3, and one that sends requests for origin.test there.
 */
async function startPair(coveredNames: readonly string[]) {
  const authority = await createCertificateAuthority()
  const elsewhere = await startCaddy({
    authority,
    names: coveredNames,
    http3: true,
    extraSite: TELLS_ALT_USED,
  })
  const place = `elsewhere.test:${elsewhere.tlsPort}`
  const origin = await startCaddy({
    authority,
    http2: true,
    extraSite: `${altSvc(place)}\n\t${TELLS_ALT_USED}`,
  })
  const options: TransportOptions = {
    defaults: { tls: { ca: authority.cert } },
    resolve: { [`origin.test:${origin.tlsPort}`]: '127.0.0.1', [place]: '127.0.0.1' },
  }
  return {
    place,
    port: elsewhere.tlsPort,
    url: `https://origin.test:${origin.tlsPort}/hello`,
    options,
    async [Symbol.asyncDispose]() {
      await Promise.all([origin.stop(), elsewhere.stop()])
    },
  }
}

describe.skipIf(missing !== undefined)(
  `alternatives elsewhere${missing === undefined ? '' : ` (${missing})`}`,
  MACHINE_IS_SHARED,
  () => {
    it('are used where their certificate covers the origin, and reported', async () => {
      await using pair = await startPair(['elsewhere.test', 'origin.test'])
      await overheadOf({ url: pair.url, options: pair.options })
      const log = new SelectionLog()
      await using transport = createTransport({ ...pair.options, observer: log.observer })
      const seen = new Set<string>()
      for (let request = 0; request < 60; request++)
        seen.add(await (await transport.request(pair.url)).text())
      expect(seen).toEqual(new Set(['HTTP/2.0  origin.test', `HTTP/3.0 ${pair.place} origin.test`]))
      expect(log.statuses).toEqual(['pending', 'confirmed'])
      expect(log.http3Dials).toEqual([`127.0.0.1:${pair.port} connected`])
    })

    it('are never used where it does not, and explain says why', async () => {
      await using pair = await startPair(['elsewhere.test'])
      await overheadOf({ url: pair.url, options: pair.options })
      const log = new SelectionLog()
      await using transport = createTransport({ ...pair.options, observer: log.observer })
      const seen = new Set<string>()
      for (let request = 0; request < 60; request++)
        seen.add(await (await transport.request(pair.url)).text())
      expect(seen).toEqual(new Set(['HTTP/2.0  origin.test']))
      await expect.poll(() => log.statuses).toEqual(['pending', 'broken'])
      const { known, protocols } = await transport.explain(pair.url)
      expect(known.map(({ fact }) => fact).join('\n')).toMatch(
        new RegExp(`advertises h3 at ${pair.place} for another .*; broken for another .*certificate`),
      )
      expect(protocols.find(({ protocol }) => protocol === 'h3')?.because).toContain('certificate')
    })

    it('are void when the origin says clear', async () => {
      const authority = await createCertificateAuthority()
      await using elsewhere = await startCaddy({ authority, http3: true })
      const place = `:${elsewhere.tlsPort}`
      await using origin = await startCaddy({
        authority,
        http2: true,
        extraSite: `header /204 Alt-Svc clear\n\theader /hello Alt-Svc \`h3="${place}"\``,
      })
      const log = new SelectionLog()
      await using transport = createTransport({
        defaults: { tls: { ca: authority.cert }, select: { probe: 'off' } },
        observer: log.observer,
      })
      await timeOf(transport, `${origin.url}/hello`)
      await expect.poll(() => log.statuses).toEqual(['pending', 'confirmed'])
      await (await transport.request(`${origin.url}/204`)).dump()
      const { decision, known } = await transport.explain(origin.url)
      expect(decision.candidates.find(({ lane }) => lane === 'h3')).toMatchObject({
        isEligible: false,
        because: 'nothing says that the origin speaks it',
      })
      expect(known.map(({ fact }) => fact).join('\n')).not.toContain('h3 at')
      log.clear()
      for (let request = 0; request < 40; request++)
        await (await transport.request(`${origin.url}/204`)).dump()
      expect(new Set(log.lanes)).toEqual(new Set(['tcp']))
      // It may be advertised anew.
      for (let request = 0; request < 60; request++) await timeOf(transport, `${origin.url}/hello`)
      expect(log.lanes).toContain('h3')
    })

    it('are taken from ALTSVC frames, but for the connection’s own origin only', async () => {
      const authority = await createCertificateAuthority()
      await using elsewhere = await startCaddy({ authority, http3: true })
      const { cert, key } = await authority.issue({ names: ['localhost'] })
      const deadPort = await freeDualPort()
      await using origin = await startHttp2PeerOrigin({
        tls: { cert, key },
        onConnection: peer => {
          peer.send(altSvcFrame('https://other.test', `h3=":${deadPort}"`))
          peer.send(altSvcFrame(`https://localhost:${origin.port}`, `h3=":${elsewhere.tlsPort}"`))
        },
      })
      const log = new SelectionLog()
      await using transport = createTransport({
        defaults: { tls: { ca: authority.cert }, select: { probe: 'off' } },
        observer: log.observer,
      })
      await timeOf(transport, `${origin.url}/hello`)
      await expect.poll(() => log.statuses).toEqual(['pending', 'confirmed'])
      expect(log.of('evidence')).toMatchObject([
        { source: 'altsvc-frame', fact: `h3=":${elsewhere.tlsPort}"` },
      ])
      expect(log.http3Dials).toEqual([`127.0.0.1:${elsewhere.tlsPort} connected`])
      for (let request = 0; request < 60; request++) await timeOf(transport, `${origin.url}/hello`)
      expect(log.lanes).toContain('h3')
    })
  },
)

/** On stream 0, which names its origin (RFC 7838 section 4). */
function altSvcFrame(origin: string, value: string): Buffer {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(origin.length)
  return frame(0xa, 0, 0, Buffer.concat([length, Buffer.from(origin + value)]))
}
