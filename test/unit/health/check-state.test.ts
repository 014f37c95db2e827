import { describe, expect, it } from 'vitest'
import { DEFAULT_HEALTH_OPTIONS } from '../../../src/base/options/health-options.ts'
import { CheckState } from '../../../src/health/check-state.ts'

const GOOD = { isGood: true, because: '200' }
const BAD = { isGood: false, because: '503 is none of 200' }

function stateOf(options: Partial<typeof DEFAULT_HEALTH_OPTIONS> = {}): CheckState {
  return new CheckState({ ...DEFAULT_HEALTH_OPTIONS, ...options }, () => 0.5)
}

describe('CheckState', () => {
  it('lets the first result decide, whatever the endpoint began as', () => {
    expect(stateOf().onResult(BAD, 0).changedTo).toBe('unhealthy')
    expect(stateOf({ initial: 'unhealthy' }).onResult(GOOD, 0).changedTo).toBe('healthy')
    expect(stateOf().onResult(GOOD, 0).changedTo).toBeUndefined()
  })

  it('takes as many failures in a row as the threshold says, and as many successes to come back', () => {
    const state = stateOf()
    const changes = [GOOD, BAD, BAD, GOOD, BAD, BAD, BAD, BAD, GOOD, BAD, GOOD, GOOD].map(
      result => state.onResult(result, 0).changedTo,
    )
    expect(
      changes.map((change, index) => [index, change]).filter(([, change]) => change !== undefined),
    ).toEqual([
      [6, 'unhealthy'],
      [11, 'healthy'],
    ])
    expect(state.counts).toEqual({ checks: 12, failed: 7 })
    expect(state.last).toEqual({ ...GOOD, at: 0 })
  })

  it('draws a share of the interval on top', () => {
    expect(stateOf({ intervalMs: 1_000, jitter: 0.2 }).onResult(GOOD, 0).nextInMs).toBe(1_100)
    expect(stateOf({ intervalMs: 1_000, jitter: 0 }).onResult(GOOD, 0).nextInMs).toBe(1_000)
  })

  it('checks at once what takes no requests before its first check, and spreads the others', () => {
    expect(stateOf({ initial: 'unhealthy' }).firstInMs()).toBe(0)
    expect(stateOf({ intervalMs: 600 }).firstInMs()).toBe(300)
    expect(stateOf({ intervalMs: 60_000 }).firstInMs()).toBe(500)
  })
})
