import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startRealServer } from '../../test/support/real-server.ts'
import { requireBinary } from '../../test/support/require-binary.ts'
import { type Peer, UPSTREAM_CONNECTIONS } from './peer.ts'

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
