import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { createTransport, type TransportOptions } from '../../../src/index.ts'
import { startNginx } from '../../support/nginx.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts'

const missing = requireBinary('nginx')

describe.skipIf(missing !== undefined)('a pool that is sized by demand, over a restart', () => {
  it('begins at the level that it left, and knows how long its origin keeps idle connections', async () => {
    await using nginx = await startNginx({ keepaliveTimeout: '1s' })
    const directory = makeTemporaryDirectory('level')
    try {
      const options: TransportOptions = {
        defaults: { protocols: ['http/1.1'], pool: { headroom: 1.5, maxConnections: 20 } },
        state: { directory: directory.path },
      }
      const until = Date.now() + 6000
      {
        await using transport = createTransport(options)
        const client = async (): Promise<void> => {
          while (Date.now() < until) {
            const response = await transport.request(`${nginx.plainUrl}/slow/100k`)
            await response.bytes()
          }
        }
        await Promise.all(Array.from({ length: 4 }, client))
        const { sizing } = transport.stats().pools[0]!
        expect(sizing.level).toBeGreaterThanOrEqual(4)
        expect(sizing.level).toBeLessThanOrEqual(9)
        // Twice nobody comes, and the origin ends what is idle.
        await sleep(3000)
      }
      await using transport = createTransport(options)
      await transport.preconnect(nginx.plainUrl, { connections: 0 })
      const { sizing } = transport.stats().pools[0]!
      expect(sizing.level).toBeGreaterThanOrEqual(3)
      await expect
        .poll(() => transport.stats().pools[0]!.connections.idle)
        .toBeGreaterThanOrEqual(sizing.level)
      expect(transport.stats().pools[0]!.requests).toBe(0)
    } finally {
      directory.remove()
    }
  }, 30_000)
})
