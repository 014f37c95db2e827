import { describe, expect, it } from 'vitest'
import { fc } from '../support/property.ts'
import { CoalescedWorld, settled } from './coalesced-world.ts'

const choice = fc.nat(63)
const step = fc.oneof(
  { weight: 12, arbitrary: fc.record({ do: fc.constant('request' as const), choice }) },
  { weight: 9, arbitrary: fc.record({ do: fc.constant('finish' as const), choice }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('dial' as const),
      choice,
      capacity: fc.constantFrom(1, 2, 5, 100, undefined),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('capacity' as const), choice, to: fc.constantFrom(0, 1, 3, 10) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('goAway' as const), choice }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('break' as const), choice }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('narrow' as const), choice }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('misdirect' as const), choice }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('remove' as const), choice }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('evict' as const), choice }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(1, 60, 1_000, 9_000) }),
  },
)
type Step = typeof step extends fc.Arbitrary<infer What> ? What : never

function play(world: CoalescedWorld, what: Step): void {
  switch (what.do) {
    case 'request':
      return world.request(what.choice)
    case 'finish':
      return world.finish(what.choice)
    case 'dial':
      return world.answerDial(what.choice, what.capacity)
    case 'capacity':
      return world.wire(what.choice)?.changeCapacity(what.to)
    case 'goAway':
      return world.wire(what.choice)?.goAway()
    case 'break':
      return world.wire(what.choice)?.close('network-error')
    case 'narrow':
      return world.narrow(what.choice)
    case 'misdirect':
      return world.misdirect(what.choice)
    case 'remove':
      return world.remove(what.choice)
    case 'evict':
      return world.evict(what.choice)
    case 'wait':
      return world.clock.advance(what.ms)
  }
}

describe('a random walk through pools that share connections', () => {
  it('exceeds no limit, puts no request where it may not go, and leaves no request waiting', async () => {
    const walk = fc.record({
      options: fc.record({
        maxConnections: fc.constantFrom(1, 2, 6),
        maxStreamsPerConnection: fc.constantFrom(2, 100),
        idleTimeoutMs: fc.constantFrom(0, 500),
        maxAgeMs: fc.constantFrom(0, 8_000),
        maxRequests: fc.constantFrom(0, 3),
        verifyAfterIdleMs: fc.constantFrom(0, 800),
        backoffBaseMs: fc.constantFrom(0, 50),
      }),
      totalLimit: fc.constantFrom(0, 0, 2, 4),
      steps: fc.array(step, { minLength: 20, maxLength: 120, size: 'max' }),
    })
    let joined = 0
    await fc.assert(
      fc.asyncProperty(walk, async ({ options, totalLimit, steps }) => {
        const world = new CoalescedWorld(options, totalLimit)
        for (const what of steps) {
          play(world, what)
          await settled()
          world.check()
        }
        await world.settle()
        await world.close()
        joined += world.joined
      }),
      { numRuns: 300 },
    )
    // The walk is about something.
    expect(joined).toBeGreaterThan(60)
  })
})
