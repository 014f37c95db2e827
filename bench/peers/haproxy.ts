import { startHaproxyProcess } from '../../test/support/haproxy.ts'
import { requireBinary } from '../../test/support/require-binary.ts'
import { type Peer, UPSTREAM_CONNECTIONS } from './peer.ts'

/** haproxy with one thread and HTTP/1.1 to the origin. */
export const haproxyPeer: Peer = haproxyWith('haproxy', 'http/1.1')

/** haproxy with one thread and HTTP/2 to the origin. */
export const haproxyH2Peer: Peer = haproxyWith('haproxy h2', 'h2')

function haproxyWith(name: string, alpn: 'http/1.1' | 'h2'): Peer {
  return {
    name,
    unavailable: () => requireBinary('haproxy'),
    async start({ directory, port, ingress, cpu, origin }) {
      const config = `global
  nbthread 1
  maxconn 4000
  noreuseport
defaults
  mode http
  option http-keep-alive
  http-reuse always
  timeout connect 5s
  timeout client 300s
  timeout server 300s
  timeout http-keep-alive 300s
frontend edge
  bind 127.0.0.1:${port}${ingress === 'h2' ? ' proto h2' : ''}
  default_backend origin
backend origin
  server one 127.0.0.1:${origin.port} ssl verify required ca-file ${origin.caFile} sni str(${origin.serverName}) verifyhost ${origin.serverName} alpn ${alpn} pool-max-conn ${UPSTREAM_CONNECTIONS}
`
      const server = await startHaproxyProcess(directory, config, [port], cpu)
      return { pid: server.pid, stop: () => server.stop() }
    },
  }
}
