import { systemClock } from '../../src/base/clock.ts'
import { DEFAULT_RESPONSE_LIMITS, DEFAULT_TIMEOUTS } from '../../src/base/options/options.ts'
import { DEFAULT_HTTP3_OPTIONS, DEFAULT_QUIC_OPTIONS } from '../../src/base/options/protocol-options.ts'
import { http3Connection } from '../../src/http/http3/connection.ts'
import type { MultiplexedConnection } from '../../src/http/multiplex/connection.ts'
import { dialQuic } from '../../src/quic/dial.ts'
import type { QuicServerTls } from '../../src/quic/engine.ts'
import { ServerEndpoint } from '../../src/quic/server-endpoint.ts'
import { createCertificateAuthority } from '../../src/testing/certificates.ts'
import { theEngine } from '../support/quic-engine.ts'
import type { ContractPeer, PeerOptions } from './contract-peer.ts'
import { CLEARTEXT } from './http1-peer.ts'
import { originSession } from './http3-origin-session.ts'

export interface Http3ContractPeer extends ContractPeer {
  connect(options: PeerOptions): Promise<MultiplexedConnection>
}

/** Made once: the engine keeps its configurations by the object, and a key takes a while. */
let certificate: Promise<{ tls: QuicServerTls; client: { ca: string } }> | undefined

async function issue(): Promise<{ tls: QuicServerTls; client: { ca: string } }> {
  const authority = await createCertificateAuthority()
  const { cert, key, ca } = await authority.issue({ names: ['localhost'] })
  return { tls: { cert, key }, client: { ca } }
}

/**
 * HTTP/3 under the contract, over real QUIC on loopback: no other implementation in Node speaks it, so that
 * the origin is our own session of the server role (peers that are not ours are met in test/e2e). QUIC runs
 * on the system's clock, the connection on the test's.
 */
export function http3Peer(): Http3ContractPeer {
  const endpoints: ServerEndpoint[] = []
  let ids = 0
  return {
    protocol: 'h3',
    async connect({ script, listener, clock }): Promise<MultiplexedConnection> {
      certificate ??= issue()
      const { tls, client } = await certificate
      const engine = theEngine()
      const endpoint = await ServerEndpoint.listen({
        engine,
        clock: systemClock,
        local: { host: '127.0.0.1', port: 0 },
        tls,
        protocols: ['h3'],
        quic: DEFAULT_QUIC_OPTIONS,
        retry: 'never',
        onConnection: link => void originSession(link, script),
      })
      endpoints.push(endpoint)
      const { port } = endpoint.local
      const dialed = await dialQuic(
        engine,
        {
          origin: `https://localhost:${port}`,
          attempts: [
            { endpoint: { address: '127.0.0.1', family: 4, port, transport: 'udp' }, because: 'the test' },
          ],
          serverName: 'localhost',
          tls: client,
          quic: DEFAULT_QUIC_OPTIONS,
          timeouts: DEFAULT_TIMEOUTS,
          protocols: ['h3'],
        },
        systemClock,
        new AbortController().signal,
      )
      const connection = http3Connection({
        id: ++ids,
        link: dialed.link,
        endpoint: dialed.endpoint,
        handshake: { ...CLEARTEXT, kind: 'full', tlsVersion: 'TLSv1.3' },
        listener,
        limits: DEFAULT_RESPONSE_LIMITS,
        http3: DEFAULT_HTTP3_OPTIONS,
        quic: DEFAULT_QUIC_OPTIONS,
        clock,
      })
      await settingsOf(connection)
      return connection
    },
    async stop(): Promise<void> {
      for (const endpoint of endpoints.splice(0)) endpoint.close()
    },
  }
}

/** Until the SETTINGS have come: what waits for them has tests of its own. */
async function settingsOf(connection: MultiplexedConnection): Promise<void> {
  while (connection.enablesExtendedConnect === undefined) {
    await new Promise(resolve => setImmediate(resolve))
  }
}
