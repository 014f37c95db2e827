import { describe, expect, it } from 'vitest'
import { DEFAULT_OUTLIER_OPTIONS, type OutlierOptions } from '../../../src/base/options/health-options.ts'
import { type OutlierChange, OutlierDetector } from '../../../src/health/outlier-detector.ts'
import type { TryOutcome } from '../../../src/health/try-outcome.ts'

const OPTIONS = { ...DEFAULT_OUTLIER_OPTIONS, ejectionJitter: 0 }

function setUp(options: Partial<OutlierOptions> = {}, count = 4) {
  const changes: OutlierChange[] = []
  const detector = new OutlierDetector(
    { ...OPTIONS, ...options },
    () => 0.5,
    change => changes.push(change),
    0,
  )
  for (let index = 0; index < count; index += 1) detector.add(index)
  /** What was reported over so many outcomes. */
  const repeat = (index: number, outcome: TryOutcome, times: number, now = 0): OutlierChange[] => {
    changes.length = 0
    for (let i = 0; i < times; i += 1) detector.onOutcome(index, outcome, 1, now)
    detector.assertConsistent()
    return [...changes]
  }
  return { detector, repeat }
}

describe('outlier ejection', () => {
  it('comes after five gateway errors in a row, with the reason and for how long', () => {
    const { detector, repeat } = setUp()
    expect(repeat(0, 'gateway-error', 4)).toEqual([])
    expect(repeat(0, 'unreachable', 1, 7)).toEqual([
      {
        type: 'ejected',
        index: 0,
        reason: 'consecutive-gateway-errors',
        because: '5 gateway errors in a row',
        forMs: 30_000,
      },
    ])
    expect([0, 1].map(index => detector.isAdmitted(index))).toEqual([false, true])
  })

  it.each(['server-error', 'overtaken'] as const)(
    'counts a %s as a failure but no gateway error',
    outcome => {
      const { repeat } = setUp()
      repeat(0, 'gateway-error', 4)
      repeat(0, outcome, 1)
      expect(repeat(0, 'gateway-error', 4)).toEqual([])
      expect(repeat(0, outcome, 1)).toMatchObject([{ reason: 'consecutive-failures' }])
    },
  )

  it('begins to count again after a success', () => {
    const { repeat } = setUp()
    repeat(0, 'gateway-error', 4)
    repeat(0, 'success', 1)
    expect(repeat(0, 'gateway-error', 4)).toEqual([])
  })

  it('lets one request in when the time is over, which brings the endpoint back', () => {
    const { detector, repeat } = setUp()
    repeat(0, 'unreachable', 5)
    expect([29_999, 30_000].map(now => detector.isProbeDue(0, now))).toEqual([false, true])
    detector.onProbeSent(0, 30_000)
    expect(detector.isProbeDue(0, 30_001)).toBe(false)
    expect(detector.standingOf(0)).toMatchObject({ kind: 'probing', because: '5 gateway errors in a row' })
    expect(repeat(0, 'success', 1, 30_010)).toEqual([
      { type: 'readmitted', index: 0, because: 'its probe request succeeded', isElsewhere: false },
    ])
    expect(detector.isAdmitted(0)).toBe(true)
  })

  it('lasts longer each time the probe fails, up to the longest time', () => {
    const { detector, repeat } = setUp({ maxEjectionMs: 70_000 })
    repeat(0, 'unreachable', 5)
    const times = [100_000, 200_000, 300_000, 400_000].map(now => {
      detector.onProbeSent(0, now)
      const [change] = repeat(0, 'gateway-error', 1, now)
      return change?.type === 'ejected' ? change.forMs : undefined
    })
    expect(times).toEqual([60_000, 70_000, 70_000, 70_000])
  })

  it('lets another request in when the probe never ended', () => {
    const { detector, repeat } = setUp()
    repeat(0, 'unreachable', 5)
    detector.onProbeSent(0, 30_000)
    expect([59_999, 60_000].map(now => detector.isProbeDue(0, now))).toEqual([false, true])
  })

  it('lets one request in at once when the endpoint could not be connected to meanwhile', () => {
    const { detector, repeat } = setUp()
    repeat(0, 'unreachable', 5)
    detector.onReconnected(0, 1_000)
    expect(detector.isProbeDue(0, 1_000)).toBe(true)
    detector.onReconnected(1, 1_000)
    expect(detector.isAdmitted(1)).toBe(true)
  })

  it('forgets earlier ejections with the intervals that go well', () => {
    const { detector, repeat } = setUp()
    repeat(0, 'unreachable', 5)
    detector.onProbeSent(0, 30_000)
    repeat(0, 'success', 1, 30_000)
    repeat(0, 'success', 1, 50_000)
    expect(repeat(0, 'unreachable', 5, 50_001)).toMatchObject([{ forMs: 30_000 }])
  })

  it('adds a random share of the time', () => {
    const { repeat } = setUp({ ejectionJitter: 0.2 })
    expect(repeat(0, 'unreachable', 5)).toMatchObject([{ forMs: 33_000 }])
  })

  it('ejects no more than the largest share, and never a single endpoint', () => {
    const { detector, repeat } = setUp()
    for (const index of [0, 1, 2, 3]) repeat(index, 'unreachable', 20)
    expect([0, 1, 2, 3].map(index => detector.isAdmitted(index))).toEqual([false, false, true, true])
    expect(setUp({}, 1).repeat(0, 'unreachable', 20)).toEqual([])
  })

  it('finds the one whose success rate lies far below the others at the end of an interval', () => {
    const { detector, repeat } = setUp({ consecutiveFailures: 0, consecutiveGatewayErrors: 0 })
    for (let i = 0; i < 100; i += 1) {
      for (const index of [0, 1, 2, 3]) {
        const fails = index === 2 ? i % 3 === 0 : i % 50 === 0
        detector.onOutcome(index, fails ? 'server-error' : 'success', 1, i)
      }
    }
    expect(repeat(0, 'success', 1, 10_000)).toEqual([
      {
        type: 'ejected',
        index: 2,
        reason: 'success-rate',
        because: "66.0 % of its requests succeeded, 98.0 % of the others'",
        forMs: 30_000,
      },
    ])
  })

  it.each([
    [0, []],
    [3, [{ index: 3, reason: 'latency' }]],
  ])('finds the one whose answers begin late with latencyFactor %i: %o', (latencyFactor, found) => {
    const { detector, repeat } = setUp({ minRequests: 10, latencyFactor })
    for (let i = 0; i < 10; i += 1)
      for (const index of [0, 1, 2, 3]) detector.onOutcome(index, 'success', index === 3 ? 100 : 10, i)
    expect(repeat(0, 'success', 1, 10_000)).toMatchObject(found)
  })
})
