import { describe, expect, it } from 'vitest'
import { DEFAULT_OUTLIER_OPTIONS } from '../../src/base/options/health-options.ts'
import { seededRandom } from '../../src/base/seeded-random.ts'
import { EndpointHealth } from '../../src/health/endpoint-health.ts'
import { OutlierDetector } from '../../src/health/outlier-detector.ts'
import type { TryOutcome } from '../../src/health/try-outcome.ts'
import { fc } from '../support/property.ts'

const RUNS = Number(process.env['RUNS'] ?? 300)
const KEYS = Array.from({ length: 8 }, (_, index) => `10.0.0.${index}:80`)
const OUTCOMES: readonly TryOutcome[] = ['success', 'server-error', 'gateway-error', 'unreachable']

const event = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      type: fc.constant('outcomes' as const),
      key: fc.nat(7),
      outcome: fc.constantFrom(...OUTCOMES),
      times: fc.integer({ min: 1, max: 30 }),
      latencyMs: fc.nat(500),
    }),
  },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('wait' as const), ms: fc.nat(60_000) }) },
  {
    weight: 3,
    arbitrary: fc.record({ type: fc.constant('checked' as const), key: fc.nat(7), isHealthy: fc.boolean() }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant('resized' as const), count: fc.integer({ min: 1, max: 8 }) }),
  },
)
const share = fc.double({ min: 0, max: 1, noNaN: true })

describe('the health of endpoints, whatever happens', () => {
  it('ejects no more than the largest share, and leaves some endpoint that takes requests', () => {
    fc.assert(
      fc.property(
        fc.array(event, { maxLength: 120 }),
        share,
        share,
        fc.nat(),
        (events, maxEjectedShare, panicShare, seed) => {
          const options = {
            ...DEFAULT_OUTLIER_OPTIONS,
            maxEjectedShare,
            panicShare,
            minRequests: 5,
            latencyFactor: 3,
          }
          const health = new EndpointHealth(options, seededRandom(seed), 0)
          let keys = KEYS
          let now = 0
          health.setEndpoints(keys)
          for (const happened of events) {
            if (happened.type === 'wait') now += happened.ms
            else if (happened.type === 'resized') {
              keys = KEYS.slice(0, happened.count)
              health.setEndpoints(keys)
            } else if (happened.type === 'checked')
              health.onChecked(KEYS[happened.key] ?? '', happened.isHealthy)
            else {
              for (let i = 0; i < happened.times; i++) {
                const key = KEYS[happened.key] ?? ''
                health.onSent(key, now)
                health.onOutcome(key, happened.outcome, happened.latencyMs, now)
              }
            }
            health.assertConsistent()
            const ejected = keys.filter(key => ['ejected', 'probing'].includes(health.standingOf(key, now)))
            expect(ejected.length).toBeLessThanOrEqual(Math.floor(keys.length * maxEjectedShare))
            expect(keys.some(key => health.mayTake(key, now))).toBe(true)
          }
        },
      ),
      { numRuns: RUNS },
    )
  })

  it('brings every ejected endpoint back, by one request that succeeds after the longest time', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), fc.nat(), (events, seed) => {
        const detector = new OutlierDetector(
          { ...DEFAULT_OUTLIER_OPTIONS, maxEjectedShare: 1 },
          seededRandom(seed),
          0,
        )
        detector.setEndpoints(KEYS)
        let now = 0
        for (const happened of events) {
          if (happened.type === 'wait') now += happened.ms
          if (happened.type !== 'outcomes') continue
          const key = KEYS[happened.key] ?? ''
          for (let i = 0; i < happened.times; i++) {
            detector.onSent(key, now)
            detector.onOutcome(key, happened.outcome, happened.latencyMs, now)
          }
        }
        now += DEFAULT_OUTLIER_OPTIONS.maxEjectionMs * (1 + DEFAULT_OUTLIER_OPTIONS.ejectionJitter)
        for (let due = detector.probeDue(now); due !== undefined; due = detector.probeDue(now)) {
          detector.onSent(due, now)
          expect(detector.mayTake(due, now)).toBe(false)
          detector.onOutcome(due, 'success', 1, now)
        }
        expect(KEYS.every(key => detector.isAdmitted(key))).toBe(true)
      }),
      { numRuns: RUNS },
    )
  })
})
