import { describe, expect, it } from 'vitest'
import { DEFAULT_HEALTH_OPTIONS, DEFAULT_OUTLIER_OPTIONS } from '../../src/base/options/health-options.ts'
import { seededRandom } from '../../src/base/seeded-random.ts'
import { EndpointHealth } from '../../src/health/endpoint-health.ts'
import type { TryOutcome } from '../../src/health/try-outcome.ts'
import { fc } from '../support/property.ts'

const COUNT = 8
const INDEXES = Array.from({ length: COUNT }, (_, index) => index)
const OUTCOMES: readonly TryOutcome[] = [
  'success',
  'server-error',
  'gateway-error',
  'unreachable',
  'overtaken',
]

const event = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      type: fc.constant('outcomes' as const),
      index: fc.nat(COUNT - 1),
      outcome: fc.constantFrom(...OUTCOMES),
      times: fc.integer({ min: 1, max: 30 }),
      latencyMs: fc.nat(500),
    }),
  },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('wait' as const), ms: fc.nat(60_000) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant('checked' as const),
      index: fc.nat(COUNT - 1),
      isGood: fc.boolean(),
    }),
  },
)

function healthOf(maxEjectedShare: number, seed: number): EndpointHealth {
  const health = new EndpointHealth(
    {
      outlier: { ...DEFAULT_OUTLIER_OPTIONS, maxEjectedShare, minRequests: 5, latencyFactor: 3 },
      checks: DEFAULT_HEALTH_OPTIONS,
      random: seededRandom(seed),
      onChange: () => {},
    },
    0,
  )
  for (const index of INDEXES) health.add(index)
  return health
}

/** One request, as the balancer sends it. */
function request(health: EndpointHealth, index: number, outcome: TryOutcome, ms: number, now: number): void {
  if (health.awaitsProbe(index) && health.isProbeDue(index, now)) health.onProbeSent(index, now)
  health.onOutcome(index, outcome, ms, now)
}

describe('the health of endpoints, whatever happens,', () => {
  it('has no more than the largest share ejected, and each can come back', () => {
    fc.assert(
      fc.property(
        fc.array(event, { maxLength: 120 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.nat(),
        (events, maxEjectedShare, seed) => {
          const health = healthOf(maxEjectedShare, seed)
          let now = 0
          for (const happened of events) {
            if (happened.type === 'wait') now += happened.ms
            else if (happened.type === 'checked')
              health.onChecked(happened.index, { isGood: happened.isGood, because: '' }, now)
            else
              for (let i = 0; i < happened.times; i += 1)
                request(health, happened.index, happened.outcome, happened.latencyMs, now)
            health.assertConsistent()
            const away = INDEXES.filter(index =>
              ['ejected', 'probing'].includes(health.figures(index).health),
            )
            expect(away.length).toBeLessThanOrEqual(Math.floor(COUNT * maxEjectedShare))
          }
          now += DEFAULT_OUTLIER_OPTIONS.maxEjectionMs * (1 + DEFAULT_OUTLIER_OPTIONS.ejectionJitter)
          for (const index of INDEXES) {
            for (let i = 0; i < DEFAULT_HEALTH_OPTIONS.rise; i += 1)
              health.onChecked(index, { isGood: true, because: '' }, now)
            request(health, index, 'success', 1, now)
          }
          health.assertConsistent()
          expect(INDEXES.filter(index => !health.isHealthy(index) && !health.isProbeDue(index, now))).toEqual(
            [],
          )
        },
      ),
    )
  })
})
