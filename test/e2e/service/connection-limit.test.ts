import { describe, expect, it } from 'vitest'
import type { PoolStats } from '../../../src/index.ts'
import { startCaddy } from '../../support/caddy.ts'
import { startConfiguredConnector } from '../../support/connector-process.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { runTool } from '../../support/run-tool.ts'
import { readPool } from '../../support/start-connector.ts'
import { volume } from '../../support/volume.ts'

const missing = requireBinary('caddy', 'ss')
/** With one there is no other lane to try. */
const LIMITS = [1, 2, 8]
const LOAD_MS = volume(1_500, 10_000)
const LONGEST_MS = 15_000

/** Open TCP connections to a port of 127.0.0.1, as the kernel counts them. */
async function openTo(port: number): Promise<number> {
  const { output } = await runTool('ss', ['-Htn', 'state', 'established', `dport = :${port}`])
  return output.split('\n').filter(line => line !== '').length
}

function sum({ connections: { connecting, idle, leased, draining } }: PoolStats): number {
  return connecting + idle + leased + draining
}

describe.each(LIMITS)('pool.maxConnections: %i', maxConnections => {
  it.skipIf(missing !== undefined)(
    'is what an origin sees over HTTP/1.1, HTTP/2 and HTTP/3 together, and all requests are answered',
    async () => {
      await using caddy = await startCaddy({ http2: true, http3: true })
      await using connector = await startConfiguredConnector({
        origins: {
          shop: {
            url: caddy.url,
            tls: { ca: caddy.certificates.ca },
            pool: { maxConnections },
            // Everything is tried early and often.
            select: { trialRequests: 20, exploreShare: 0.2, spreadConnections: 4 },
          },
        },
      })
      const seen = { pool: 0, kernel: 0, streams: 0 }
      const statuses = new Map<number, number>()
      const ends = performance.now() + LOAD_MS
      // On a busy machine a look may come too seldom to see the load.
      const isOver = (): boolean => {
        const now = performance.now()
        return now > ends && (seen.streams > maxConnections || now > ends + LONGEST_MS)
      }
      const client = async (): Promise<void> => {
        while (!isOver()) {
          const response = await fetch(`${connector.url}/100k`)
          await response.arrayBuffer()
          statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1)
        }
      }
      const watch = async (): Promise<void> => {
        while (!isOver()) {
          const pool = await readPool(connector.adminUrl, 'shop').catch(() => undefined)
          if (pool === undefined) continue // no request has come yet
          seen.pool = Math.max(seen.pool, sum(pool))
          seen.streams = Math.max(seen.streams, pool.streams)
          seen.kernel = Math.max(seen.kernel, await openTo(caddy.tlsPort))
        }
      }
      await Promise.all([watch(), ...Array.from({ length: 30 }, client)])
      expect([...statuses.keys()]).toEqual([200])
      expect(seen.streams).toBeGreaterThan(maxConnections)
      expect(seen.pool).toBeGreaterThan(0)
      expect(seen.pool).toBeLessThanOrEqual(maxConnections)
      expect(seen.kernel).toBeLessThanOrEqual(maxConnections)
      if (maxConnections === 1) return
      // What was learned of HTTP/3 is tried within the limit: one lane leaves a place to another.
      const triesHttp3 = async (): Promise<boolean> => {
        await (await fetch(`${connector.url}/1k`)).arrayBuffer()
        const page = await (await fetch(`${connector.adminUrl}/metrics`)).text()
        return /middlemile_connections_opened_total\{[^}]*protocol="h3"/.test(page)
      }
      const deadline = performance.now() + 10_000
      let hasTried = await triesHttp3()
      while (!hasTried && performance.now() < deadline) hasTried = await triesHttp3()
      expect(hasTried).toBe(true)
    },
  )
})
