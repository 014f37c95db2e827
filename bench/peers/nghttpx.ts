import { startRealServer } from '../../test/support/real-server.ts'
import { requireBinary } from '../../test/support/require-binary.ts'
import { type Peer, UPSTREAM_CONNECTIONS } from './peer.ts'

/** nghttpx (of nghttp2) with one thread and HTTP/1.1 to the origin. */
export const nghttpxPeer: Peer = nghttpxWith('nghttpx', 'http/1.1')

/** The same with HTTP/2 to the origin. */
export const nghttpxH2Peer: Peer = nghttpxWith('nghttpx h2', 'h2')

function nghttpxWith(name: string, alpn: 'http/1.1' | 'h2'): Peer {
  return {
    name,
    unavailable: () => requireBinary('nghttpx'),
    async start({ port, cpu, origin }) {
      const server = await startRealServer({
        command: 'nghttpx',
        args: [
          '--conf=/dev/null',
          // Without TLS it takes HTTP/1.1, and HTTP/2 by prior knowledge.
          `--frontend=127.0.0.1,${port};no-tls`,
          `--backend=127.0.0.1,${origin.port};;tls;proto=${alpn};sni=${origin.serverName}`,
          `--cacert=${origin.caFile}`,
          `--backend-connections-per-host=${UPSTREAM_CONNECTIONS}`,
          '--workers=1',
          '--single-thread',
          '--no-via',
          '--accesslog-file=/dev/null',
          '--errorlog-file=/dev/stderr',
        ],
        ports: [port],
        cpu,
      })
      return { pid: server.pid, stop: () => server.stop() }
    },
  }
}
