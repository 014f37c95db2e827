import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/base/seeded-random.ts'
import { createTransport, type TransportOptions } from '../../../src/index.ts'
import { startCaddy } from '../../support/caddy.ts'
import { startHaproxy } from '../../support/haproxy.ts'
import { startNginx } from '../../support/nginx.ts'
import { requireBinary } from '../../support/require-binary.ts'

const KEPT_MS = 400
const CYCLES = 10
const WAVES = 20
const WAVE = 50

type Origin = AsyncDisposable & { readonly plainUrl: string }

const ORIGINS: Readonly<Record<string, () => Promise<Origin>>> = {
  nginx: () => startNginx({ keepaliveTimeout: `${KEPT_MS}ms` }),
  haproxy: () => startHaproxy({ keepAliveTimeout: `${KEPT_MS}ms` }),
  caddy: () => startCaddy({ idleTimeout: `${KEPT_MS}ms` }),
}

/** Nothing is sent again: a request that meets the end of its connection fails. */
const OPTIONS: TransportOptions['defaults'] = {
  protocols: ['http/1.1'],
  retry: { maxRetries: 0, maxUnanswered: 0 },
  pool: { maxConnections: WAVE },
}

/** How long an origin keeps idle connections is learned from its closes; npm run soak has the long ones. */
describe.concurrent.each(Object.keys(ORIGINS))('%s, which says nothing of its keep-alive timeout', name => {
  const missing = requireBinary(name)

  it.skipIf(missing !== undefined)(
    'ends no connection under a request once it is known',
    async () => {
      await using origin = await ORIGINS[name]!()
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
        await sleep(KEPT_MS + 150)
      }
      const taught = transport.stats().pools[0]!.idleHorizon
      expect(taught.keptMs).toBeGreaterThan(KEPT_MS - 20)
      expect(taught.keptMs).toBeLessThan(KEPT_MS + 120)
      expect(taught.confidence).toBeGreaterThan(0.6)

      const answers: string[] = []
      for (let wave = 0; wave < WAVES; wave += 1) {
        answers.push(...(await Promise.all(Array.from({ length: WAVE }, get))))
        // As close to the origin's timer as it gets.
        await sleep(KEPT_MS - 6 + random() * 12)
      }
      expect(answers).toHaveLength(1000)
      expect(answers.filter(answer => answer !== '200')).toEqual([])
      const { idleHorizon, reuseRatio, connections } = transport.stats().pools[0]!
      expect(idleHorizon.racesLost).toBe(0)
      expect(idleHorizon.retired).toBeGreaterThan(WAVES)
      expect(reuseRatio).toBeLessThan(0.5) // the waves came too late for the connections of those before
      expect(connections.leased).toBe(0)
    },
    60_000,
  )
})
