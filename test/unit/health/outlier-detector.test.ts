import { describe, expect, it } from 'vitest'
import { DEFAULT_OUTLIER_OPTIONS } from '../../../src/base/options/health-options.ts'
import { OutlierDetector } from '../../../src/health/outlier-detector.ts'
import type { TryOutcome } from '../../../src/health/try-outcome.ts'

const KEYS = ['a', 'b', 'c', 'd']
const OPTIONS = { ...DEFAULT_OUTLIER_OPTIONS, ejectionJitter: 0 }

function detectorOf(options: Partial<typeof OPTIONS> = {}, keys = KEYS): OutlierDetector {
  const detector = new OutlierDetector({ ...OPTIONS, ...options }, () => 0.5, 0)
  detector.setEndpoints(keys)
  return detector
}

function repeat(detector: OutlierDetector, key: string, outcome: TryOutcome, times: number, now = 0) {
  return Array.from({ length: times }, () => detector.onOutcome(key, outcome, 1, now)).flat()
}

describe('OutlierDetector', () => {
  it('ejects after five gateway errors in a row, with the reason and for how long', () => {
    const detector = detectorOf()
    expect(repeat(detector, 'a', 'gateway-error', 4)).toEqual([])
    expect(detector.onOutcome('a', 'unreachable', undefined, 7)).toEqual([
      {
        type: 'ejected',
        key: 'a',
        reason: 'consecutive-gateway-errors',
        because: '5 gateway errors in a row',
        forMs: 30_000,
      },
    ])
    expect(detector.mayTake('a', 8)).toBe(false)
    expect(detector.mayTake('b', 8)).toBe(true)
  })

  it('counts a 500 as a failure but not as a gateway error', () => {
    const detector = detectorOf()
    repeat(detector, 'a', 'gateway-error', 4)
    repeat(detector, 'a', 'server-error', 1)
    expect(repeat(detector, 'a', 'gateway-error', 4)).toEqual([])
    expect(repeat(detector, 'a', 'server-error', 1)).toMatchObject([{ reason: 'consecutive-failures' }])
  })

  it('begins to count again after a success', () => {
    const detector = detectorOf()
    repeat(detector, 'a', 'gateway-error', 4)
    repeat(detector, 'a', 'success', 1)
    expect(repeat(detector, 'a', 'gateway-error', 4)).toEqual([])
  })

  it('lets one request in when the time is over, which brings the endpoint back', () => {
    const detector = detectorOf()
    repeat(detector, 'a', 'unreachable', 5)
    expect(detector.probeDue(29_999)).toBeUndefined()
    expect(detector.probeDue(30_000)).toBe('a')
    expect(detector.mayTake('a', 30_000)).toBe(true)
    detector.onSent('a', 30_000)
    expect(detector.mayTake('a', 30_001)).toBe(false)
    expect(detector.onOutcome('a', 'success', 3, 30_010)).toEqual([
      { type: 'readmitted', key: 'a', because: 'its probe request succeeded' },
    ])
    expect(detector.isAdmitted('a')).toBe(true)
  })

  it('ejects for longer each time its probe fails, up to the longest time', () => {
    const detector = detectorOf({ maxEjectionMs: 70_000 })
    repeat(detector, 'a', 'unreachable', 5)
    let now = 0
    const times: number[] = []
    for (let i = 0; i < 4; i++) {
      now += 100_000
      detector.onSent('a', now)
      for (const change of detector.onOutcome('a', 'gateway-error', 1, now))
        if (change.type === 'ejected') times.push(change.forMs)
    }
    expect(times).toEqual([60_000, 70_000, 70_000, 70_000])
  })

  it('lets another request in when nothing was heard of the probe', () => {
    const detector = detectorOf()
    repeat(detector, 'a', 'unreachable', 5)
    detector.onSent('a', 30_000)
    expect(detector.mayTake('a', 59_999)).toBe(false)
    expect(detector.mayTake('a', 60_000)).toBe(true)
  })

  it('forgets earlier ejections with the intervals that go well', () => {
    const detector = detectorOf()
    repeat(detector, 'a', 'unreachable', 5)
    detector.onSent('a', 30_000)
    detector.onOutcome('a', 'success', 1, 30_000)
    detector.onOutcome('a', 'success', 1, 50_000)
    expect(repeat(detector, 'a', 'unreachable', 5, 50_001)).toMatchObject([{ forMs: 30_000 }])
  })

  it('draws a share of the time on top from the source that it was given', () => {
    const detector = detectorOf({ ejectionJitter: 0.2 })
    expect(repeat(detector, 'a', 'unreachable', 5)).toMatchObject([{ forMs: 33_000 }])
  })

  it('ejects no more than the largest share, and none of one endpoint', () => {
    const detector = detectorOf()
    for (const key of KEYS) repeat(detector, key, 'unreachable', 20)
    expect(detector.ejected).toBe(2)
    const alone = detectorOf({}, ['a'])
    repeat(alone, 'a', 'unreachable', 20)
    expect(alone.ejected).toBe(0)
  })

  it('readmits those that come back first when fewer endpoints are left', () => {
    const detector = detectorOf()
    repeat(detector, 'a', 'unreachable', 5, 0)
    repeat(detector, 'b', 'unreachable', 5, 1_000)
    expect(detector.setEndpoints(['a', 'b', 'c'])).toEqual([
      { type: 'readmitted', key: 'a', because: 'fewer endpoints are left' },
    ])
    detector.assertConsistent()
  })

  it('ejects the one whose success rate lies far below the others at the end of an interval', () => {
    const detector = detectorOf({ consecutiveFailures: 0, consecutiveGatewayErrors: 0 })
    for (let i = 0; i < 100; i++) {
      for (const key of KEYS) {
        const fails = key === 'c' ? i % 3 === 0 : i % 50 === 0
        detector.onOutcome(key, fails ? 'server-error' : 'success', 1, i)
      }
    }
    expect(detector.onOutcome('a', 'success', 1, 10_000)).toEqual([
      {
        type: 'ejected',
        key: 'c',
        reason: 'success-rate',
        because: "66.0 % of its requests succeeded, 98.0 % of the others'",
        forMs: 30_000,
      },
    ])
  })

  it('ejects the one whose answers begin late, where that is asked for', () => {
    const options = { minRequests: 10 }
    for (const latencyFactor of [0, 3]) {
      const detector = detectorOf({ ...options, latencyFactor })
      for (let i = 0; i < 10; i++)
        for (const key of KEYS) detector.onOutcome(key, 'success', key === 'd' ? 100 : 10, i)
      const changes = detector.onOutcome('a', 'success', 10, 10_000)
      if (latencyFactor === 0) expect(changes).toEqual([])
      else expect(changes).toMatchObject([{ key: 'd', reason: 'latency' }])
    }
  })
})
