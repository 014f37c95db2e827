import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTransport, type Transport, type TransportOptions } from '../../../src/index.ts'
import { createCertificateAuthority, type IssuedCertificate } from '../../../src/testing/certificates.ts'
import { bodyOf } from '../../support/body-files.ts'
import { type Caddy, startCaddy } from '../../support/caddy.ts'
import { type ForwardConfig, metric, startForwardProxy } from '../../support/forward-proxy.ts'
import { type Ngtcp2Server, startNgtcp2Server } from '../../support/ngtcp2-server.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { requireQuic } from '../../support/require-quic.ts'
import type { TestConnector } from '../../support/start-connector.ts'

const missing = requireQuic() ?? requireBinary('caddy', 'gtlsserver')

describe.skipIf(missing !== undefined)(
  `HTTP/3 through a MASQUE proxy${missing === undefined ? '' : `: ${missing}`}`,
  () => {
    let ca: string
    let identity: IssuedCertificate
    let caddy: Caddy
    let ngtcp2: Ngtcp2Server
    beforeAll(async () => {
      const authority = await createCertificateAuthority()
      ca = authority.cert
      identity = await authority.issue({ names: ['localhost', '127.0.0.1'] })
      caddy = await startCaddy({ authority, http2: true, http3: true })
      ngtcp2 = await startNgtcp2Server({ authority })
    })
    afterAll(async () => {
      await caddy?.stop()
      await ngtcp2?.stop()
    })

    function startProxy(forward: Partial<ForwardConfig> = {}): Promise<TestConnector> {
      const tls = { cert: identity.cert, key: identity.key }
      const [tcp, quic] = [caddy.tlsPort, ngtcp2.port]
      return startForwardProxy(
        { allow: [`udp://localhost:${tcp},${quic}`, `connect://localhost:${tcp}`], ...forward },
        { listen: [{ address: '127.0.0.1:0', tls, protocols: ['h3', 'h2', 'http/1.1'] }] },
      )
    }

    function through(
      scheme: 'h2' | 'h3',
      proxy: Pick<TestConnector, 'port'>,
      options: TransportOptions['defaults'] = {},
    ): Transport {
      return createTransport({
        egress: { out: { proxies: [`${scheme}://127.0.0.1:${proxy.port}`], ca } },
        defaults: { egress: 'out', tls: { ca }, retry: { maxRetries: 0 }, ...options },
      })
    }

    it.each(['h3', 'h2'] as const)('of scheme %s reaches origins that nobody here wrote', async scheme => {
      await using proxy = await startProxy()
      await using transport = through(scheme, proxy, { protocols: ['h3'] })
      for (const { url } of [caddy, ngtcp2]) {
        const response = await transport.request(`${url}/1m`)
        expect([response.status, response.info.protocol]).toEqual([200, 'h3'])
        expect((await response.bytes()).equals(bodyOf(1_048_576))).toBe(true)
      }
      expect(await metric(proxy, 'middlemile_udp_tunnels')).toBe(2)
    })
  },
)
