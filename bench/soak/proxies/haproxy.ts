import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { startHaproxyProcess } from '../../../test/support/haproxy.ts'
import { freePort } from '../../../test/support/tcp-port.ts'
import { plannedOrigin } from '../plan.ts'
import type { SoakProxy, SoakProxyParts } from './soak-proxy.ts'

/**
 * haproxy in the connector's place: one thread, what safely can be repeated is (`retry-on`), HTTP/2 to the
 * origin that is reloaded.
 */
export async function startHaproxyProxy({
  directory,
  addresses,
  certificates,
}: SoakProxyParts): Promise<SoakProxy> {
  const own = join(directory, 'haproxy-proxy')
  mkdirSync(own)
  const http1Port = await freePort()
  const http2Port = await freePort()
  const backends = addresses.map(({ name, scheme, ports }) => {
    const alpn = name === 'reloaded' || name === 'healthy' ? 'h2' : 'http/1.1'
    const secure = ` ssl verify required ca-file ${certificates.caFile} sni str(localhost) verifyhost localhost alpn ${alpn}`
    const servers = ports.map(
      (port, index) => `  server s${index} 127.0.0.1:${port}${scheme === 'https' ? secure : ''}`,
    )
    return `backend ${name}\n${servers.join('\n')}`
  })
  const config = `global
  nbthread 1
  maxconn 4000
  noreuseport
defaults
  mode http
  option http-keep-alive
  option redispatch
  http-reuse always
  retries 3
  retry-on empty-response conn-failure
  timeout connect 5s
  timeout client 300s
  timeout server 300s
  timeout http-keep-alive 300s
frontend edge
  bind 127.0.0.1:${http1Port}
  bind 127.0.0.1:${http2Port} proto h2
${addresses.map(({ name }) => `  use_backend ${name} if { hdr(host) ${plannedOrigin(name).hosts.join(' ')} }`).join('\n')}
${backends.join('\n')}
`
  const server = await startHaproxyProcess(own, config, [http1Port, http2Port])
  return {
    name: 'haproxy',
    pid: server.pid,
    http1Port,
    http2Port,
    hasExited: () => server.hasExited(),
    output: () => server.output(),
    [Symbol.asyncDispose]: () => server.stop(),
  }
}
