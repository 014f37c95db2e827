import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/base/seeded-random.ts'
import { createTransport, type TransportOptions } from '../../../src/index.ts'
import { startCaddy } from '../../support/caddy.ts'
import { startHaproxy } from '../../support/haproxy.ts'
import { startNginx } from '../../support/nginx.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { volume } from '../../support/volume.ts'

const CYCLES = 10
/** What the origins are set to, and how 1,000 requests come: `npm run soak` has those that take minutes as well. */
const CASES = [
  { keptMs: 400, waves: 20, wave: 50 },
  { keptMs: 2_000, waves: 20, wave: 50 },
  { keptMs: 15_000, waves: 10, wave: 100 },
  { keptMs: 75_000, waves: 5, wave: 200 },
].slice(0, volume(1, 4))

type Origin = AsyncDisposable & { readonly plainUrl: string }

const ORIGINS: Readonly<Record<string, (kept: string) => Promise<Origin>>> = {
  nginx: keepaliveTimeout => startNginx({ keepaliveTimeout }),
  haproxy: keepAliveTimeout => startHaproxy({ keepAliveTimeout }),
  caddy: idleTimeout => startCaddy({ idleTimeout }),
}

/** Nothing is sent again: a request that meets the end of its connection fails. */
const OPTIONS: TransportOptions['defaults'] = {
  protocols: ['http/1.1'],
  retry: { maxRetries: 0, maxUnanswered: 0 },
  pool: { maxConnections: 200 },
}

/** How long an origin keeps idle connections is learned from its closes. */
describe.concurrent.each(Object.keys(ORIGINS))('%s, which says nothing of its keep-alive timeout', name => {
  const missing = requireBinary(name)

  it.skipIf(missing !== undefined).each(CASES)(
    'ends no connection under a request once its $keptMs ms are known',
    async ({ keptMs, waves, wave }) => {
      await using origin = await ORIGINS[name]!(`${keptMs}ms`)
      await using transport = createTransport({ defaults: OPTIONS })
      const random = seededRandom(1)
      const get = async (): Promise<string> => {
        try {
          const response = await transport.request(`${origin.plainUrl}/1k`)
          await response.bytes()
          return String(response.status)
        } catch (error) {
          return (error as Error).message
        }
      }
      for (let cycle = 0; cycle < CYCLES; cycle += 1) {
        expect(await get()).toBe('200')
        await sleep(keptMs * 1.01 + 150)
      }
      const taught = transport.stats().pools[0]!.idleHorizon
      // A busy machine notices the end of an answer late, and takes the rest for less.
      expect(taught.keptMs).toBeGreaterThan(keptMs * 0.85)
      expect(taught.keptMs).toBeLessThan(keptMs * 1.01 + 120)
      expect(taught.confidence).toBeGreaterThan(0.6)

      const answers: string[] = []
      for (let count = 0; count < waves; count += 1) {
        answers.push(...(await Promise.all(Array.from({ length: wave }, get))))
        // As close to the origin's timer as it gets.
        await sleep(keptMs - 6 + random() * 12)
      }
      expect(answers).toHaveLength(1000)
      expect(answers.filter(answer => answer !== '200')).toEqual([])
      const { idleHorizon, reuseRatio, connections } = transport.stats().pools[0]!
      expect(idleHorizon.racesLost).toBe(0)
      expect(idleHorizon.retired).toBeGreaterThan(waves)
      expect(reuseRatio).toBeLessThan(0.5) // the waves came too late for the connections of those before
      expect(connections.leased).toBe(0)
    },
    60_000 + volume(0, 25 * 60_000),
  )
})
