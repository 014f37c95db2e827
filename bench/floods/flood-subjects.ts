import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startHaproxyProcess } from '../../test/support/haproxy.ts'
import { startNginxProcess } from '../../test/support/nginx-process.ts'
import { startRealServer } from '../../test/support/real-server.ts'
import { requireBinary } from '../../test/support/require-binary.ts'
import { freePort } from '../../test/support/tcp-port.ts'
import { builtFile, NOT_BUILT } from '../lib/repository.ts'
import type { RunningPeer } from '../peers/peer.ts'
import { FLOODING_HOST } from './floods.ts'

interface FloodSetting {
  readonly directory: string
  /** Where to listen, for HTTP/2 by prior knowledge. */
  readonly port: number
  readonly cpu: number | undefined
  /** Of the origin that answers, over TLS and HTTP/1.1. */
  readonly originPort: number
  /** Of the origin that floods, over TLS and HTTP/2. */
  readonly floodingPort: number
  readonly caFile: string
}

/** A proxy with one worker in front of both origins. */
export interface FloodSubject {
  readonly name: string
  /** It speaks HTTP/2 to origins as well. */
  readonly hasHttp2Origins: boolean
  unavailable(): string | undefined
  start(setting: FloodSetting): Promise<RunningPeer>
}

const middlemile: FloodSubject = {
  name: 'middlemile',
  hasHttp2Origins: true,
  unavailable: () => (builtFile('cli.js') === undefined ? NOT_BUILT : undefined),
  async start({ directory, port, cpu, originPort, floodingPort, caFile }) {
    const adminPort = await freePort()
    const config = join(directory, 'middlemile.json')
    const origin = (toPort: number, hosts: string[], protocol: string): object => ({
      url: `https://localhost:${toPort}`,
      endpoints: [`127.0.0.1:${toPort}`],
      hosts,
      protocols: [protocol],
      tls: { ca: caFile },
    })
    writeFileSync(
      config,
      JSON.stringify({
        workers: 'off',
        listen: [{ address: `127.0.0.1:${port}`, protocols: ['h2'] }],
        admin: { address: `127.0.0.1:${adminPort}` },
        log: { level: 'error', format: 'json' },
        origins: {
          flooding: origin(floodingPort, [FLOODING_HOST], 'h2'),
          other: origin(originPort, ['*'], 'http/1.1'),
        },
      }),
    )
    const server = await startRealServer({
      command: process.execPath,
      args: [builtFile('cli.js') ?? '', 'serve', '-c', config],
      env: { NODE_ENV: 'production' },
      ports: [port, adminPort],
      cpu,
    })
    return { pid: server.pid, stop: () => server.stop('SIGKILL') }
  },
}

const nginx: FloodSubject = {
  name: 'nginx',
  hasHttp2Origins: false,
  unavailable: () => requireBinary('nginx'),
  async start({ directory, port, cpu, originPort, caFile }) {
    const http = `
  server {
    listen 127.0.0.1:${port} http2 backlog=4096;
    client_max_body_size 0;
    location / {
      proxy_pass https://127.0.0.1:${originPort};
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_request_buffering off;
      proxy_ssl_server_name on;
      proxy_ssl_name localhost;
      proxy_ssl_verify on;
      proxy_ssl_trusted_certificate ${caFile};
    }
  }`
    const { server } = await startNginxProcess({ directory, http, ports: [port], cpu })
    return { pid: server.pid, stop: () => server.stop() }
  },
}

const haproxy: FloodSubject = {
  name: 'haproxy',
  hasHttp2Origins: true,
  unavailable: () => requireBinary('haproxy'),
  async start({ directory, port, cpu, originPort, floodingPort, caFile }) {
    const tls = `ssl verify required ca-file ${caFile} sni str(localhost) verifyhost localhost`
    const config = `global
  nbthread 1
  maxconn 4000
  noreuseport
defaults
  mode http
  timeout connect 5s
  timeout client 300s
  timeout server 300s
frontend edge
  bind 127.0.0.1:${port} proto h2
  use_backend flooding if { hdr(host) ${FLOODING_HOST} }
  default_backend other
backend flooding
  server one 127.0.0.1:${floodingPort} ${tls} alpn h2
backend other
  server one 127.0.0.1:${originPort} ${tls} alpn http/1.1
`
    const server = await startHaproxyProcess(directory, config, [port], cpu)
    return { pid: server.pid, stop: () => server.stop() }
  },
}

export const FLOOD_SUBJECTS: readonly FloodSubject[] = [middlemile, nginx, haproxy]
