import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startHaproxyProcess } from '../../test/support/haproxy.ts'
import { startNginxProcess } from '../../test/support/nginx-process.ts'
import { type RealServer, startRealServer } from '../../test/support/real-server.ts'
import { requireBinary } from '../../test/support/require-binary.ts'
import { freePort } from '../../test/support/tcp-port.ts'
import { builtFile, NOT_BUILT } from '../lib/repository.ts'

/** Connections to one endpoint that are kept; nobody comes near it. */
const MAX_CONNECTIONS = 64

/** Who spreads requests over the endpoints of an origin. */
export interface LoadBalancer {
  readonly name: string
  /** Why it cannot run here; undefined: it can. */
  unavailable(): string | undefined
  /** Listens on 127.0.0.1 with HTTP/1.1. */
  start(
    directory: string,
    ports: readonly number[],
  ): Promise<{ readonly port: number; readonly server: RealServer }>
}

export const PEERS: readonly LoadBalancer[] = [nginx(), haproxy()]

export const OURS: readonly LoadBalancer[] = [
  middlemileWith('middlemile least-requests', { balance: { policy: 'least-requests' } }),
  middlemileWith('middlemile peak-ewma', { balance: { policy: 'peak-ewma' } }),
  middlemileWith('middlemile hedged', { balance: { policy: 'peak-ewma' }, hedge: { quantile: 0.95 } }),
]

/** A failed try takes an endpoint out for 10 s, as is nginx' default. */
function nginx(): LoadBalancer {
  return {
    name: 'nginx least_conn',
    unavailable: () => requireBinary('nginx'),
    async start(directory, ports) {
      const port = await freePort()
      const servers = ports.map(each => `server 127.0.0.1:${each} max_fails=1 fail_timeout=10s;`)
      const http = `
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  upstream origin { least_conn; ${servers.join(' ')} keepalive ${MAX_CONNECTIONS * ports.length}; }
  server {
    listen 127.0.0.1:${port};
    location / { proxy_pass http://origin; }
  }`
      const { server } = await startNginxProcess({ directory, http, ports: [port] })
      return { port, server }
    },
  }
}

/** What its manual has for this: health by the traffic, and another server for what failed. */
function haproxy(): LoadBalancer {
  return {
    name: 'haproxy leastconn',
    unavailable: () => requireBinary('haproxy'),
    async start(directory, ports) {
      const port = await freePort()
      const servers = ports.map(
        (each, index) =>
          `  server s${index} 127.0.0.1:${each} check inter 2s observe layer7 error-limit 3 on-error mark-down`,
      )
      const config = `global
  nbthread 1
  maxconn 4000
  noreuseport
defaults
  mode http
  option http-keep-alive
  http-reuse always
  retries 3
  option redispatch 1
  retry-on all-retryable-errors
  timeout connect 5s
  timeout client 300s
  timeout server 300s
frontend edge
  bind 127.0.0.1:${port}
  default_backend origin
backend origin
  balance leastconn
${servers.join('\n')}
`
      return { port, server: await startHaproxyProcess(directory, config, [port]) }
    },
  }
}

function middlemileWith(name: string, options: Readonly<Record<string, unknown>>): LoadBalancer {
  return {
    name,
    unavailable: () => (builtFile('cli.js') === undefined ? NOT_BUILT : undefined),
    async start(directory, ports) {
      const cli = builtFile('cli.js')
      if (cli === undefined) throw new Error(NOT_BUILT)
      const port = await freePort()
      const admin = await freePort()
      const config = join(directory, 'middlemile.json')
      const origin = {
        url: 'http://origin.test',
        endpoints: ports.map(each => `127.0.0.1:${each}`),
        hosts: ['*'],
        ...options,
      }
      writeFileSync(
        config,
        JSON.stringify({
          workers: 'off',
          listen: [{ address: `127.0.0.1:${port}` }],
          admin: { address: `127.0.0.1:${admin}` },
          origins: { origin },
        }),
      )
      const server = await startRealServer({
        command: process.execPath,
        args: [cli, 'serve', '-c', config],
        env: { NODE_ENV: 'production' },
        ports: [port, admin],
      })
      return { port, server }
    },
  }
}
