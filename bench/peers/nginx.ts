import { startNginxProcess } from '../../test/support/nginx-process.ts'
import { requireBinary } from '../../test/support/require-binary.ts'
import { type Peer, UPSTREAM_CONNECTIONS } from './peer.ts'

/** nginx as a reverse proxy with an upstream keepalive pool. It has HTTP/1.1 for origins and nothing else. */
export const nginxPeer: Peer = {
  name: 'nginx',
  unavailable: () => requireBinary('nginx'),
  async start({ directory, port, ingress, cpu, origin }) {
    const http = `
  keepalive_requests 1000000000;
  upstream origin {
    server 127.0.0.1:${origin.port};
    keepalive ${UPSTREAM_CONNECTIONS};
    keepalive_requests 1000000000;
    keepalive_timeout 300s;
  }
  server {
    listen 127.0.0.1:${port}${ingress === 'h2' ? ' http2' : ''} backlog=4096;
    client_max_body_size 0;
    location / {
      proxy_pass https://origin;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host ${origin.serverName};
      proxy_ssl_server_name on;
      proxy_ssl_name ${origin.serverName};
      proxy_ssl_verify on;
      proxy_ssl_trusted_certificate ${origin.caFile};
      proxy_ssl_protocols TLSv1.2 TLSv1.3;
      # Large answers stay in memory: a temporary file would measure the disk.
      proxy_max_temp_file_size 0;
    }
  }`
    const { server } = await startNginxProcess({ directory, http, ports: [port], cpu })
    return { pid: server.pid, stop: () => server.stop() }
  },
}
