import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Protocol } from '../../src/index.ts'
import { startRealServer } from '../../test/support/real-server.ts'
import { freePort } from '../../test/support/tcp-port.ts'
import { builtFile, NOT_BUILT } from '../lib/repository.ts'
import { type Peer, UPSTREAM_CONNECTIONS } from './peer.ts'

/** We with HTTP/1.1 to the origin. */
export const middlemilePeer: Peer = middlemileWith('middlemile', 'http/1.1')

/** We with HTTP/2 to the origin. */
export const middlemileH2Peer: Peer = middlemileWith('middlemile h2', 'h2')

/**
 * As `middlemile serve` runs from a configuration file, with nothing left out: metrics, admin, log at info,
 * Via, Forwarded.
 */
function middlemileWith(name: string, upstream: Protocol): Peer {
  return {
    name,
    unavailable: () => (builtFile('cli.js') === undefined ? NOT_BUILT : undefined),
    async start({ directory, port, ingress, cpu, workers, origin }) {
      const cli = builtFile('cli.js')
      if (cli === undefined) throw new Error(NOT_BUILT)
      const adminPort = await freePort()
      const config = join(directory, 'middlemile.json')
      writeFileSync(
        config,
        JSON.stringify({
          workers: workers ?? 'off',
          listen: [{ address: `127.0.0.1:${port}`, protocols: [ingress] }],
          admin: { address: `127.0.0.1:${adminPort}` },
          log: { level: 'info', format: 'json' },
          origins: {
            bench: {
              url: `https://${origin.serverName}:${origin.port}`,
              endpoints: [`127.0.0.1:${origin.port}`],
              hosts: ['*'],
              protocols: [upstream],
              pool: { maxConnections: UPSTREAM_CONNECTIONS },
              tls: { ca: origin.caFile },
            },
          },
        }),
      )
      const server = await startRealServer({
        command: process.execPath,
        args: [cli, 'serve', '-c', config],
        env: { NODE_ENV: 'production' },
        ports: [port, adminPort],
        cpu,
      })
      // With workers the sockets are there before those who take requests.
      await untilReady(adminPort)
      // Exchanges that a load generator left behind need no graceful end.
      return { pid: server.pid, stop: () => server.stop('SIGKILL') }
    },
  }
}

const READY_WITHIN_MS = 20_000

async function untilReady(adminPort: number): Promise<void> {
  const deadline = performance.now() + READY_WITHIN_MS
  while (performance.now() < deadline) {
    const answer = await fetch(`http://127.0.0.1:${adminPort}/readyz`).catch(() => undefined)
    await answer?.body?.cancel()
    if (answer?.status === 200) return
    await sleep(50)
  }
  throw new Error(`middlemile was not ready within ${READY_WITHIN_MS} ms`)
}
