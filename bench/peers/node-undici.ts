import { fileURLToPath } from 'node:url'
import { startRealServer } from '../../test/support/real-server.ts'
import type { Peer } from './peer.ts'

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
