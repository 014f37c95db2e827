import { describe, expect, it } from 'vitest'
import { Http3Status } from '../../src/select/record/h3-status.ts'
import { fc } from '../support/property.ts'

// A longer look: RUNS=100000 SEED=7 npx vitest run test/property/h3-status.test.ts
const RUNS = Number(process.env['RUNS'] ?? 600)

const OPTIONS = { brokenBaseMs: 1000, brokenMaxMs: 5000 }
const WINDOW_MS = 10_000

/** What resets everything is rare, so that failures come in rows. */
const EVENTS = [
  ...Array<string>(8).fill('failed'),
  ...Array<string>(8).fill('tcp'),
  ...Array<string>(6).fill('tried'),
  'abandoned',
  'worked',
  'connected',
  'network',
  'restart',
]
const event = fc.record({
  afterMs: fc.oneof(fc.constantFrom(0, 1, 999, 1000, 10_000, 10_001, 60_000, 200_000), fc.nat(20_000)),
  what: fc.constantFrom(...EVENTS),
})

describe('Http3Status', () => {
  it('holds its rules, whatever happens in whatever order', () => {
    const seen = { broken: 0, trials: 0, refused: 0, capped: 0 }
    fc.assert(
      fc.property(fc.array(event, { minLength: 5, maxLength: 60, size: 'max' }), events => {
        let status = new Http3Status(OPTIONS)
        let now = 0
        let failedAt = Number.NEGATIVE_INFINITY
        let tcpAt = Number.NEGATIVE_INFINITY
        let failures = 0
        let trialSince: number | undefined
        for (const { afterMs, what } of events) {
          now += afterMs
          const before = status.name(now)
          const wasBroken = before === 'broken'
          if (what === 'worked') {
            status.onHttp3Worked(now)
            failures = 0
          } else if (what === 'connected') status.onHttp3Connected(now)
          else if (what === 'failed') {
            status.onHttp3Failed('why', now)
            if (!wasBroken) failedAt = now
          } else if (what === 'tcp') {
            status.onTcpWorked(now)
            tcpAt = now
          } else if (what === 'network') {
            status.onNetworkChanged(now)
            failures = 0
            failedAt = tcpAt = Number.NEGATIVE_INFINITY
          } else if (what === 'abandoned') status.onTrialAbandoned(now)
          else if (what === 'tried') {
            const isOpen = trialSince !== undefined && now - trialSince < 60_000
            expect(status.mayTry(now)).toBe(!wasBroken && !isOpen)
            if (status.mayTry(now)) status.onTrialStarted(now)
            else {
              expect(() => status.onTrialStarted(now)).toThrow('no trial')
              seen.refused++
            }
          } else {
            const snapshot = status.snapshot(0, now)
            status =
              snapshot === undefined
                ? new Http3Status(OPTIONS)
                : Http3Status.restore(OPTIONS, snapshot, 0, now)
            expect(status.name(now)).toBe(before)
            if (before === 'confirmed') failures = 0
            failedAt = tcpAt = Number.NEGATIVE_INFINITY
          }
          const name = status.name(now)
          if (what === 'tried' && name === 'failedRecently') {
            trialSince = trialSince !== undefined && now - trialSince < 60_000 ? trialSince : now
            seen.trials++
          } else if (what !== 'tcp' || name !== 'failedRecently') trialSince = undefined

          if (name === 'broken' && !wasBroken) {
            // Never without both, close to each other.
            expect(['failed', 'tcp']).toContain(what)
            expect(Math.abs(failedAt - tcpAt)).toBeLessThanOrEqual(WINDOW_MS)
            failures++
            const left = status.brokenUntil! - now
            expect(left).toBe(Math.min(OPTIONS.brokenMaxMs, OPTIONS.brokenBaseMs * 2 ** (failures - 1)))
            failedAt = Number.NEGATIVE_INFINITY
            seen.broken++
            if (left === OPTIONS.brokenMaxMs) seen.capped++
          }
          if (name === 'confirmed')
            expect(before === 'confirmed' || what === 'worked' || what === 'connected').toBe(true)
          if (name === 'pending') expect(before === 'pending' || what === 'network').toBe(true)
          expect(status.mayUseEarlyData(now) && name !== 'confirmed').toBe(false)
          expect(status.because(now)).not.toBe('')
        }
      }),
      { numRuns: RUNS },
    )
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(RUNS / 100)
  })
})
