import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startHaproxyProcess } from '../../test/support/haproxy.ts'
import { startNginxProcess } from '../../test/support/nginx-process.ts'
import { type RealServer, startRealServer } from '../../test/support/real-server.ts'
import { builtFile, NOT_BUILT } from '../lib/repository.ts'
import type { FarNginx } from './far-servers.ts'
import { type Claims, claimsOf } from './first-byte-rows.ts'

/** A proxy on 127.0.0.1, cleartext, whose every request goes over a new connection to the origin. */
export interface ColdProxy {
  readonly name: string
  readonly program: 'nginx' | 'haproxy' | 'middlemile'
  readonly port: number
  readonly claims: Claims
  /** What a haproxy server line and its backend have beyond the others. */
  readonly backend?: string
  readonly server?: string
}

/** haproxy sends early data, and uses Fast Open, only where it may repeat what fails of it. */
const RETRIES = 'retry-on conn-failure empty-response response-timeout 0rtt-rejected'

/** The best that each can do, or should: resumption is on in all of them by itself. */
export const COLD_PROXIES: readonly ColdProxy[] = [
  { name: 'nginx as proxy', program: 'nginx', port: 8101, claims: claimsOf('resumed') },
  { name: 'haproxy as proxy', program: 'haproxy', port: 8102, claims: claimsOf('resumed') },
  {
    name: 'haproxy as proxy, tfo',
    program: 'haproxy',
    port: 8103,
    claims: claimsOf('resumed fastOpen'),
    backend: RETRIES,
    server: 'tfo',
  },
  {
    name: 'haproxy as proxy, tfo, allow-0rtt',
    program: 'haproxy',
    port: 8104,
    claims: claimsOf('resumed fastOpen earlyData'),
    backend: RETRIES,
    server: 'tfo allow-0rtt',
  },
  {
    name: 'middlemile serve as proxy',
    program: 'middlemile',
    port: 8105,
    claims: claimsOf('resumed fastOpen earlyData'),
  },
]

const ADMIN_PORT = 8190

/** Starts those of one program, in the namespace that this process is in. */
export async function startColdProxies(
  program: ColdProxy['program'],
  proxies: readonly ColdProxy[],
  origin: FarNginx,
  parent: string,
  cpu: number | undefined,
): Promise<RealServer> {
  const mine = proxies.filter(proxy => proxy.program === program)
  const ports = mine.map(({ port }) => port)
  const directory = join(parent, program)
  mkdirSync(directory)
  if (program === 'haproxy') return startHaproxyProcess(directory, haproxyConfig(mine, origin), ports, cpu)
  if (program === 'middlemile') return startMiddlemile(directory, ports, origin, cpu)
  const http = mine.map(proxy => nginxServer(proxy, origin)).join('')
  return (await startNginxProcess({ directory, http, ports, cpu })).server
}

function nginxServer(
  { port }: ColdProxy,
  { name, address, port: originPort, certificates }: FarNginx,
): string {
  return `
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass https://${address}:${originPort};
      proxy_http_version 1.1;
      proxy_set_header Host ${name};
      proxy_ssl_server_name on;
      proxy_ssl_name ${name};
      proxy_ssl_verify on;
      proxy_ssl_trusted_certificate ${certificates.caFile};
      proxy_ssl_protocols TLSv1.3;
      proxy_ssl_session_reuse on;
    }
  }`
}

function haproxyConfig(proxies: readonly ColdProxy[], origin: FarNginx): string {
  const { name, address, port, certificates } = origin
  const tls = `ssl verify required ca-file ${certificates.caFile} sni str(${name}) verifyhost ${name}`
  const sections = proxies.map(
    ({ port: own, backend = '', server = '' }) => `frontend edge-${own}
  bind 127.0.0.1:${own}
  default_backend origin-${own}
backend origin-${own}
  ${backend}
  server one ${address}:${port} ${tls} pool-max-conn 0 ${server}
`,
  )
  return `global
  nbthread 1
  maxconn 400
  noreuseport
defaults
  mode http
  option http-server-close
  http-reuse never
  timeout connect 5s
  timeout client 30s
  timeout server 30s
${sections.join('')}`
}

function startMiddlemile(
  directory: string,
  ports: readonly number[],
  { name, address, port, certificates }: FarNginx,
  cpu: number | undefined,
): Promise<RealServer> {
  const cli = builtFile('cli.js')
  if (cli === undefined) throw new Error(NOT_BUILT)
  const path = join(directory, 'middlemile.json')
  const origin = {
    url: `https://${name}:${port}`,
    endpoints: [`${address}:${port}`],
    hosts: ['*'],
    protocols: ['http/1.1'],
    pool: { maxRequests: 1 },
    tls: { ca: certificates.caFile },
    tfo: 'on',
    earlyData: 'safe',
    earlyDataOverTcp: true,
  }
  const listen = ports.map(own => ({ address: `127.0.0.1:${own}`, protocols: ['http/1.1'] }))
  const admin = { address: `127.0.0.1:${ADMIN_PORT}` }
  writeFileSync(path, JSON.stringify({ workers: 'off', listen, admin, origins: { bench: origin } }))
  return startRealServer({
    command: process.execPath,
    args: [cli, 'serve', '-c', path],
    env: { NODE_ENV: 'production' },
    ports: [...ports, ADMIN_PORT],
    cpu,
    // Nothing is under way when it ends.
    stopSignal: 'SIGKILL',
  })
}
