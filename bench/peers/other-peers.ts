import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startHaproxyProcess } from '../../test/support/haproxy.ts'
import { startNginxProcess } from '../../test/support/nginx-process.ts'
import { startRealServer } from '../../test/support/real-server.ts'
import { requireBinary } from '../../test/support/require-binary.ts'
import { type Peer, UPSTREAM_CONNECTIONS } from './peer.ts'

/** nginx as a reverse proxy with an upstream keepalive pool. It has HTTP/1.1 for origins and nothing else. */
export const nginxPeer: Peer = {
  name: 'nginx',
  unavailable: () => requireBinary('nginx'),
  async start({ directory, port, ingress, cpu, workers, origin }) {
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
    const { server } = await startNginxProcess({
      directory,
      http,
      ports: [port],
      cpu,
      ...(workers !== undefined && { workers }),
    })
    return { pid: server.pid, stop: () => server.stop() }
  },
}

/** haproxy with HTTP/1.1 to the origin; its workers are threads. */
export const haproxyPeer: Peer = haproxyWith('haproxy', 'http/1.1')

/** haproxy with one thread and HTTP/2 to the origin. */
export const haproxyH2Peer: Peer = haproxyWith('haproxy h2', 'h2')

function haproxyWith(name: string, alpn: 'http/1.1' | 'h2'): Peer {
  return {
    name,
    unavailable: () => requireBinary('haproxy'),
    async start({ directory, port, ingress, cpu, workers = 1, origin }) {
      const config = `global
  nbthread ${workers}
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

/** caddy on one processor with HTTP/1.1 to the origin. */
export const caddyPeer: Peer = caddyWith('caddy', '1.1')

/** caddy on one processor with HTTP/2 to the origin. */
export const caddyH2Peer: Peer = caddyWith('caddy h2', '2')

function caddyWith(name: string, versions: '1.1' | '2'): Peer {
  return {
    name,
    unavailable: () => requireBinary('caddy'),
    async start({ directory, port, ingress, cpu, origin }) {
      const config = join(directory, 'Caddyfile')
      // By itself it would write into the home directory.
      const home = join(directory, 'home')
      mkdirSync(home, { recursive: true })
      writeFileSync(
        config,
        `{
	admin off
	auto_https off
	log {
		level ERROR
	}
	servers {
		protocols ${ingress === 'h2' ? 'h1 h2 h2c' : 'h1'}
	}
}
http://127.0.0.1:${port} {
	bind 127.0.0.1
	reverse_proxy https://127.0.0.1:${origin.port} {
		header_up Host ${origin.serverName}
		transport http {
			versions ${versions}
			tls_server_name ${origin.serverName}
			tls_trusted_ca_certs ${origin.caFile}
			keepalive_idle_conns_per_host ${UPSTREAM_CONNECTIONS}
			compression off
		}
	}
}
`,
      )
      const server = await startRealServer({
        command: 'caddy',
        args: ['run', '--config', config, '--adapter', 'caddyfile'],
        // One processor for its goroutines and its collector, as the others have one thread.
        env: { GOMAXPROCS: '1', HOME: home, XDG_DATA_HOME: home, XDG_CONFIG_HOME: home },
        ports: [port],
        cpu,
      })
      return { pid: server.pid, stop: () => server.stop() }
    },
  }
}

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

/** HTTP/1.1 on both sides. The proxy that one would write in Node without us: see node-undici-proxy.ts. */
export const nodeUndiciPeer: Peer = {
  name: 'node:http+undici',
  unavailable: () => undefined,
  async start({ port, cpu, origin }) {
    // The compiled neighbor of this file.
    const program = fileURLToPath(new URL('./node-undici-proxy.js', import.meta.url))
    const server = await startRealServer({
      command: process.execPath,
      args: [program, String(port), String(origin.port), origin.serverName, origin.caFile],
      env: { NODE_ENV: 'production' },
      ports: [port],
      cpu,
    })
    return { pid: server.pid, stop: () => server.stop() }
  },
}
