import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Agent, type Dispatcher, request } from 'undici'
import type { Protocol } from '../../src/index.ts'
import { startHaproxyProcess } from '../../test/support/haproxy.ts'
import { startNginxProcess } from '../../test/support/nginx-process.ts'
import { type RealServer, startRealServer } from '../../test/support/real-server.ts'
import { requireBinary } from '../../test/support/require-binary.ts'
import { freePort } from '../../test/support/tcp-port.ts'
import { builtFile, NOT_BUILT } from '../lib/repository.ts'
import { ORIGIN_NAMES, type OriginName, type OriginServers } from './origin-servers.ts'

/** Clients of a proxy: connections that it is sent requests on. */
const CLIENTS = 32
/** To one origin; nobody comes near it. */
const MAX_CONNECTIONS = 64
/** Where it can be set, how long a peer keeps an idle connection: as long as the most patient origin. */
const KEEP_IDLE_SECONDS = 75

/** Somebody who can reach all the origins. */
export interface Reacher {
  readonly name: string
  /** Why it cannot run here; undefined: it can. */
  unavailable(): string | undefined
  start(directory: string, origins: OriginServers): Promise<RunningReacher>
}

export interface RunningReacher {
  /** One GET, to its last byte. Rejects unless it is answered with 200. */
  get(origin: OriginName): Promise<void>
  stop(): Promise<void>
}

const HAPROXY_MODES = ['never', 'safe', 'aggressive', 'always'] as const

export const PEERS: readonly Reacher[] = [
  undiciWith('undici', {}),
  undiciWith(`undici ${KEEP_IDLE_SECONDS} s`, {
    keepAliveTimeout: KEEP_IDLE_SECONDS * 1_000,
    keepAliveMaxTimeout: KEEP_IDLE_SECONDS * 1_000,
  }),
  nginx(),
  ...HAPROXY_MODES.map(mode => haproxyWith(`haproxy ${mode}`, mode, 'http/1.1')),
  haproxyWith('haproxy h2 always', 'always', 'h2'),
]

export const OURS: readonly Reacher[] = [
  middlemileWith('middlemile h1', ['http/1.1']),
  middlemileWith('middlemile', ['h2', 'http/1.1']),
]

/** The module itself, without a proxy in front: what a program in Node has. */
function undiciWith(name: string, options: Agent.Options): Reacher {
  return {
    name,
    unavailable: () => undefined,
    async start(_directory, { port, certificates: { ca } }) {
      const addresses = new Map(ORIGIN_NAMES.map(({ host, address }) => [host, address]))
      const agent = new Agent({
        ...options,
        connections: MAX_CONNECTIONS,
        connect: {
          ca,
          lookup: (host, { all }, answer) => {
            const address = addresses.get(host) ?? ''
            if (all === true) answer(null, [{ address, family: 4 }])
            else answer(null, address, 4)
          },
        },
      })
      return {
        get: ({ host }) => get(agent, `https://${host}:${port}/`, {}),
        stop: () => agent.destroy(),
      }
    },
  }
}

/** A pool of 64 for each upstream; nginx has HTTP/1.1 for origins and nothing else. */
function nginx(): Reacher {
  return {
    name: 'nginx',
    unavailable: () => requireBinary('nginx'),
    async start(directory, { port, certificates: { caFile } }) {
      const listen = await freePort()
      const servers = ORIGIN_NAMES.map(
        ({ host, address }) => `
  upstream ${host} { server ${address}:${port}; keepalive ${MAX_CONNECTIONS}; keepalive_timeout ${KEEP_IDLE_SECONDS}s; }
  server {
    listen 127.0.0.1:${listen};
    server_name ${host};
    location / { proxy_pass https://${host}; proxy_ssl_name ${host}; }
  }`,
      )
      const http = `
  server_names_hash_bucket_size 128;
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_set_header Host $host;
  proxy_ssl_server_name on;
  proxy_ssl_verify on;
  proxy_ssl_trusted_certificate ${caFile};
  proxy_ssl_protocols TLSv1.2 TLSv1.3;
  ${servers.join('')}`
      const { server } = await startNginxProcess({ directory, http, ports: [listen] })
      return throughProxy(listen, server)
    },
  }
}

function haproxyWith(name: string, mode: (typeof HAPROXY_MODES)[number], alpn: Protocol): Reacher {
  return {
    name,
    unavailable: () => requireBinary('haproxy'),
    async start(directory, { port, certificates: { caFile } }) {
      const listen = await freePort()
      const backends = ORIGIN_NAMES.map(
        ({ host, address }) => `
backend ${host}
  server one ${address}:${port} ssl verify required ca-file ${caFile} sni str(${host}) verifyhost ${host} alpn ${alpn} pool-max-conn ${MAX_CONNECTIONS} pool-purge-delay ${KEEP_IDLE_SECONDS}s`,
      )
      const config = `global
  nbthread 1
  maxconn 4000
  noreuseport
defaults
  mode http
  option http-keep-alive
  http-reuse ${mode}
  timeout connect 5s
  timeout client 300s
  timeout server 300s
  timeout http-keep-alive 300s
frontend edge
  bind 127.0.0.1:${listen}
  use_backend %[req.hdr(host)]
${backends.join('')}
`
      return throughProxy(listen, await startHaproxyProcess(directory, config, [listen]))
    },
  }
}

/** The service from a configuration that names the origins and nothing else. */
function middlemileWith(name: string, protocols: readonly Protocol[]): Reacher {
  return {
    name,
    unavailable: () => (builtFile('cli.js') === undefined ? NOT_BUILT : undefined),
    async start(directory, { port, certificates: { caFile } }) {
      const cli = builtFile('cli.js')
      if (cli === undefined) throw new Error(NOT_BUILT)
      const listen = await freePort()
      const admin = await freePort()
      const origins = ORIGIN_NAMES.map(({ host, address }) => [
        host.replace('.test', ''),
        { url: `https://${host}:${port}`, endpoints: [`${address}:${port}`], hosts: [host] },
      ])
      const config = join(directory, 'middlemile.json')
      writeFileSync(
        config,
        JSON.stringify({
          workers: 'off',
          listen: [{ address: `127.0.0.1:${listen}` }],
          admin: { address: `127.0.0.1:${admin}` },
          defaults: { protocols, tls: { ca: caFile } },
          origins: Object.fromEntries(origins),
        }),
      )
      const server = await startRealServer({
        command: process.execPath,
        args: [cli, 'serve', '-c', config],
        env: { NODE_ENV: 'production' },
        ports: [listen, admin],
      })
      return throughProxy(listen, server)
    },
  }
}

function throughProxy(port: number, server: RealServer): RunningReacher {
  const agent = new Agent({ connections: CLIENTS, keepAliveTimeout: 300_000 })
  return {
    get: ({ host }) => get(agent, `http://127.0.0.1:${port}/`, { host }),
    async stop() {
      await agent.destroy()
      await server.stop('SIGKILL')
    },
  }
}

async function get(dispatcher: Dispatcher, url: string, headers: Record<string, string>): Promise<void> {
  const { statusCode, body } = await request(url, { dispatcher, headers })
  await body.dump()
  if (statusCode !== 200) throw new Error(`status ${statusCode}`)
}

/** One directory for each. */
export async function startReacher(
  reacher: Reacher,
  parent: string,
  origins: OriginServers,
): Promise<RunningReacher> {
  const directory = join(parent, reacher.name.replaceAll(/\W/g, '-'))
  mkdirSync(directory)
  return reacher.start(directory, origins)
}
