import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { startNginxProcess } from '../../../test/support/nginx-process.ts'
import { freePort } from '../../../test/support/tcp-port.ts'
import { plannedOrigin } from '../plan.ts'
import type { SoakProxy, SoakProxyParts } from './soak-proxy.ts'

/** nginx in the connector's place: one worker, keepalive towards origins, HTTP/1.1 towards all of them. */
export async function startNginxProxy({
  directory,
  addresses,
  certificates,
}: SoakProxyParts): Promise<SoakProxy> {
  const own = join(directory, 'nginx-proxy')
  mkdirSync(own)
  const http1Port = await freePort()
  const http2Port = await freePort()
  const sites = addresses.map(
    ({ name, scheme, ports }) => `
  upstream ${name} {
    ${ports.map(port => `server 127.0.0.1:${port};`).join(' ')}
    keepalive 64;
  }
  server {
    listen 127.0.0.1:${http1Port};
    listen 127.0.0.1:${http2Port} http2;
    server_name ${plannedOrigin(name).hosts.join(' ')};
    location / { proxy_pass ${scheme}://${name}; }
  }`,
  )
  const http = `
  client_max_body_size 0;
  keepalive_requests 1000000000;
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_set_header Host localhost;
  proxy_connect_timeout 5s;
  proxy_ssl_verify on;
  proxy_ssl_server_name on;
  proxy_ssl_name localhost;
  proxy_ssl_trusted_certificate ${certificates.caFile};
  ${sites.join('\n')}`
  const { server } = await startNginxProcess({ directory: own, http, ports: [http1Port, http2Port] })
  return {
    name: 'nginx',
    pid: server.pid,
    http1Port,
    http2Port,
    hasExited: () => server.hasExited(),
    output: () => server.output(),
    [Symbol.asyncDispose]: () => server.stop(),
  }
}
