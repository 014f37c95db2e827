import { readdirSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { ClientContexts, ContextCache } from '../../../src/connect/openssl/client-contexts.ts'
import { openEarlyClient, sessionOfNode } from '../../support/early-client.ts'
import { startNginx } from '../../support/nginx.ts'
import { readProcessMemory } from '../../support/process-memory.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { countingOpenssl, requireOpenssl } from '../../support/require-openssl.ts'
import { until } from '../../support/until.ts'

const missing = requireOpenssl()
const CONNECTIONS = 4000
const AT_ONCE = 20
const WARM_UP = 2000
/**
 * For what the counts below cannot see. V8 grows in steps of 16 MB; with node:tls the process of this test
 * grows as well.
 */
const MAX_GROWTH_MIB = 60

describe.skipIf(missing !== undefined)(`many early sockets (${missing ?? 'OpenSSL'})`, () => {
  it('leave no descriptor and no memory behind, however they end', async ctx => {
    const tool = requireBinary('nginx')
    ctx.skip(tool !== undefined, tool)
    await using nginx = await startNginx({ extraServer: 'ssl_early_data on;' })
    const port = nginx.tlsPort
    const request = 'GET /1k HTTP/1.1\r\nhost: origin.test\r\n\r\n'
    const tls = { ca: nginx.certificates.ca }
    const session = await sessionOfNode(port, tls.ca, { first: request })
    const descriptors = (): number => readdirSync('/proc/self/fd').length
    const { openssl, alive } = countingOpenssl()
    const contexts = new ClientContexts(openssl, new ContextCache(openssl))
    let accepted = 0

    const one = async (index: number): Promise<void> => {
      const sessions = [session, session, undefined, Buffer.from('no session')]
      const serverName = index % 10 === 9 ? 'evil.test' : 'origin.test'
      const client = await openEarlyClient({
        port,
        tls,
        contexts,
        session: sessions[index % 4],
        serverName,
        first: request,
      })
      const { socket } = client.early
      client.handshake.then(
        made => void (made.earlyData === 'accepted' && accepted++),
        () => {}, // those that are destroyed before
      )
      if (index % 5 === 1) setTimeout(() => socket.destroy(), index % 7)
      else if (index % 5 === 2) socket.once('data', () => socket.end())
      else if (index % 5 === 3) socket.once('data', () => client.raw.destroy())
      else socket.once('data', () => socket.destroy())
      await client.closed
    }

    let before = { descriptors: 0, memory: 0 }
    for (let done = 0; done < CONNECTIONS; done += AT_ONCE) {
      if (done === WARM_UP)
        before = { descriptors: descriptors(), memory: readProcessMemory(process.pid).now }
      await Promise.all(Array.from({ length: AT_ONCE }, (_, offset) => one(done + offset)))
    }
    await until(() => descriptors() <= before.descriptors, 'no descriptor is left')
    expect(accepted).toBeGreaterThan(CONNECTIONS / 5)
    for (const made of ['SSL_new', 'd2i_SSL_SESSION', 'SSL_get1_peer_certificate'] as const)
      expect(alive(made), made).toBe(0)
    expect(alive('SSL_CTX_new')).toBe(1)
    expect(readProcessMemory(process.pid).now - before.memory).toBeLessThan(MAX_GROWTH_MIB)
  }, 180_000)
})
