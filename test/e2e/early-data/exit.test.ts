import { execFile } from 'node:child_process'
import type { Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { NGINX_EARLY } from '../../support/early-world.ts'
import { type Nginx, startNginx } from '../../support/nginx.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { requireOpenssl } from '../../support/require-openssl.ts'
import { startSwitchedPort } from '../../support/switched-port.ts'

const missing = requireOpenssl() ?? requireBinary('nginx')
const index = fileURLToPath(new URL('../../../dist/index.js', import.meta.url))

/**
 * Connections whose TLS is ours keep the process alive no longer than those of node:tls: as long as somebody
 * waits.
 */
describe.skipIf(missing !== undefined).each(['http/1.1', 'h2'] as const)(
  `a program with early data over TCP, %s${missing === undefined ? '' : ` (${missing})`}`,
  protocol => {
    let nginx: Nginx
    beforeAll(async () => {
      nginx = await startNginx({ http2: true, extraServer: NGINX_EARLY })
    })
    afterAll(() => nginx.stop())

    const program = (port: number, body: string): string => `
      import { createTransport } from ${JSON.stringify(index)}
      const transport = createTransport({ defaults: {
        protocols: ['${protocol}'], tls: { ca: ${JSON.stringify(nginx.certificates.ca)} }, endpoints: ['127.0.0.1:${port}'],
        earlyData: 'safe', earlyDataOverTcp: true, pool: { maxRequests: 1 }, timeouts: { tlsMs: 60000 },
      } })
      const ask = async (options) => {
        const response = await transport.request('https://localhost:${port}/early', options)
        console.log(response.status, (await response.text()).slice(0, 8).trim())
        await new Promise(resolve => setTimeout(resolve, 100))
      }
      ${body}`
    const run = async (port: number, body: string): Promise<string> => {
      const args = ['--input-type=module', '-e', program(port, body)]
      const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 25_000 })
      return stdout
    }

    it('ends when its work is done, with a connection open that began in early data', async () => {
      await using way = await startSwitchedPort(nginx.tlsPort)
      way.delayMs = 20
      expect(await run(way.port, 'await ask()\nawait ask()')).toBe('200 early:\n200 early: 1\n')
      expect(way.offered.map(offered => offered?.isEarly)).toEqual([undefined, true])
    })

    it('ends when what it waited for was given up, while the handshake goes on', async () => {
      await using way = await startSwitchedPort(nginx.tlsPort)
      const startedAt = performance.now()
      const body = `await ask()
        await ask({ signal: AbortSignal.timeout(1_000) }).catch(error => console.log(error.name))`
      // Of the connections only the first one leads to the server.
      const silent = (client: Socket): void => void client.resume()
      Object.defineProperty(way, 'leadsTo', { get: () => (way.accepted === 1 ? nginx.tlsPort : silent) })
      expect(await run(way.port, body)).toBe('200 early:\nTimeoutError\n')
      expect(performance.now() - startedAt).toBeLessThan(20_000)
      expect(way.offered.map(offered => offered?.isEarly)).toEqual([undefined, true])
    })
  },
)
