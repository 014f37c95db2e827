import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ServiceConfig } from '../../src/service/index.ts'
import type { CertificateFiles } from '../../test/support/certificate-files.ts'
import { startHaproxyProcess } from '../../test/support/haproxy.ts'
import { startNginxProcess } from '../../test/support/nginx-process.ts'
import { startRealServer } from '../../test/support/real-server.ts'
import { freePort } from '../../test/support/tcp-port.ts'
import { builtFile, NOT_BUILT } from '../lib/repository.ts'
import type { HangingResolver } from './hanging-resolver.ts'
import type { OriginAddress } from './origin/start-origins.ts'
import { HANGING_NAMES, plannedOrigin } from './plan.ts'

export interface SoakProxyParts {
  readonly directory: string
  readonly addresses: readonly OriginAddress[]
  readonly certificates: CertificateFiles
  /**
   * Where names hang: the connector also gets names that only this server could know. Undefined: it gets
   * none.
   */
  readonly resolver: HangingResolver | undefined
}

/** What stands between the clients and the nine origins. */
export interface SoakProxy extends AsyncDisposable {
  readonly name: string
  readonly pid: number
  /** In cleartext; the second one by prior knowledge. */
  readonly http1Port: number
  readonly http2Port: number
  hasExited(): boolean
  /** The end of what it wrote, for messages. */
  output(): string
  /** Only of the connector: its admin pages and its log. */
  readonly adminUrl?: string
  readonly logFile?: string
}

/** Requests that took longer have a line in the log. */
const SLOW_REQUEST = '500ms'

/**
 * `middlemile serve` with a configuration file, with metrics, admin and log, and everything that the faults
 * do not concern at its default.
 */
export async function startMiddlemile({
  directory,
  addresses,
  certificates,
  resolver,
}: SoakProxyParts): Promise<SoakProxy> {
  const cli = builtFile('cli.js')
  if (cli === undefined) throw new Error(NOT_BUILT)
  const port = await freePort()
  const adminPort = await freePort()
  const origins: ServiceConfig['origins'] = {}
  for (const { name, scheme, ports } of addresses) {
    origins[name] = {
      url: `${scheme}://localhost:${ports.at(-1)}`,
      // The others go by name, and so by whoever looks names up.
      ...(ports.length > 1 && { endpoints: ports.map(endpoint => `127.0.0.1:${endpoint}`) }),
      hosts: [...plannedOrigin(name).hosts],
      ...(scheme === 'https' && { tls: { ca: certificates.caFile } }),
      ...(name === 'http3' && { protocols: ['h3'] }),
    }
  }
  for (const host of resolver === undefined ? [] : HANGING_NAMES.hosts) {
    origins[host.replace(/\..*/, '')] = { url: `http://${host}`, hosts: [host] }
  }
  const config: ServiceConfig = {
    workers: 'off', // one process, as the peers have one
    listen: [{ address: `127.0.0.1:${port}` }],
    admin: { address: `127.0.0.1:${adminPort}` },
    log: { level: 'info', format: 'json', slowRequest: SLOW_REQUEST },
    origins,
  }
  const file = join(directory, 'middlemile.json')
  const logFile = join(directory, 'middlemile.log')
  writeFileSync(file, JSON.stringify(config, undefined, 2))
  const serve = [process.execPath, cli, 'serve', '-c', file]
  const server = await startRealServer({
    // Its log goes into a file, as a supervisor would have it: what reads a pipe has the CPU's turns as well.
    command: '/bin/sh',
    args: ['-c', 'exec "$@" >"$SOAK_LOG"', 'sh', ...(resolver?.wrap(serve) ?? serve)],
    env: { NODE_ENV: 'production', SOAK_LOG: logFile },
    ports: [port, adminPort],
  })
  return {
    name: 'middlemile',
    pid: server.pid,
    http1Port: port,
    http2Port: port,
    hasExited: () => server.hasExited(),
    output: () => server.output(),
    adminUrl: `http://127.0.0.1:${adminPort}`,
    logFile,
    [Symbol.asyncDispose]: () => server.stop(),
  }
}

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
