import { describe, expect, it } from 'vitest'
import { EndpointWorld } from '../sim/endpoint-world.ts'
import { fc } from '../support/property.ts'

const NAMES = ['a.internal', 'b.internal']
const address = fc.integer({ min: 1, max: 9 }).map(last => `192.0.2.${last}`)

const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant('answer' as const),
      name: fc.constantFrom(...NAMES),
      addresses: fc.option(fc.array(address, { maxLength: 6 }), { nil: undefined }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('reload' as const),
      literals: fc.uniqueArray(address, { maxLength: 3 }),
      weights: fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 4, maxLength: 4 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ type: fc.constant('run' as const), ms: fc.integer({ min: 20, max: 400 }) }),
  },
  { weight: 3, arbitrary: fc.constant({ type: 'look' as const }) },
)

const policy = fc.constantFrom('least-requests', 'peak-ewma', 'round-robin', 'hash', 'random')

describe('endpoints that come and go by the DNS and by reloads, in whatever order,', () => {
  it('lose no request, are bounded, and are what the answers and the configuration say', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 25 }),
        policy,
        fc.nat(3),
        fc.constantFrom(0, 500),
        async (steps, chosen, subsetSize, slowStartMs) => {
          const balance = { policy: chosen, subsetSize, slowStartMs, maxAddressesPerName: 4 } as const
          // One literal that always stays: with names alone there may be moments without any endpoint.
          const world = new EndpointWorld(0, { endpoints: ['192.0.2.100', ...NAMES], balance }, {})
          await world.run(20)
          for (const one of steps) {
            if (one.type === 'answer') {
              if (one.addresses === undefined) world.dns.delete(one.name)
              else world.dns.set(one.name, one.addresses)
            } else if (one.type === 'run') await world.run(one.ms)
            else if (one.type === 'look') world.set.onNetworkChanged()
            else {
              const [weight = 1, ...weights] = one.weights
              const literals = one.literals.map((at, i) => ({ address: at, weight: weights[i] ?? 1 }))
              world.configure(['192.0.2.100', ...literals, { address: NAMES[0]!, weight }])
            }
            const addresses = world.set.list.map(({ address: at }) => at)
            expect(new Set(addresses).size).toBe(addresses.length)
            expect(addresses.length).toBeLessThanOrEqual(4 + 2 * 4)
            expect(addresses).toContain('192.0.2.100')
            world.assertConsistent()
          }
          await world.run(100)
          await world.settled()
          expect(world.done.filter(({ status }) => status !== 200)).toEqual([])
          expect(world.done).toHaveLength(world.sent)
          expect(world.stats.filter(({ state }) => state === 'leaving')).toEqual([])
          expect(world.stats.map(({ address: at }) => at).toSorted()).toEqual(
            world.set.list.map(({ address: at }) => at).toSorted(),
          )
        },
      ),
      { numRuns: 40 },
    )
  })
})
