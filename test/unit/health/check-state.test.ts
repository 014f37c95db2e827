import { describe, expect, it } from 'vitest'
import { DEFAULT_HEALTH_OPTIONS } from '../../../src/base/options/health-options.ts'
import { CheckState } from '../../../src/health/check-state.ts'

const GOOD = { isGood: true, because: '200' }
const BAD = { isGood: false, because: '503 is none of 200' }

function stateOf(options: Partial<typeof DEFAULT_HEALTH_OPTIONS> = {}): CheckState {
  return new CheckState({ ...DEFAULT_HEALTH_OPTIONS, ...options }, () => 0.5)
}

describe('the checks of an endpoint', () => {
  it('let the first result decide alone', () => {
    const state = stateOf()
    expect(state.onResult(BAD)).toBe(true)
    expect(state.isHealthy).toBe(false)
    expect(stateOf().onResult(GOOD)).toBe(false)
  })

  it('take `fall` failures in a row to go down, and `rise` good ones to come back', () => {
    const state = stateOf()
    const results = [GOOD, BAD, BAD, GOOD, BAD, BAD, BAD, BAD, GOOD, BAD, GOOD, GOOD]
    const changed = results.flatMap((result, index) => (state.onResult(result) ? [index] : []))
    expect(changed).toEqual([6, 11])
    expect([state.isHealthy, state.made, state.failed, state.last]).toEqual([true, 12, 7, GOOD])
  })

  it('begin within a second, and then follow the interval with a random share added', () => {
    expect(stateOf({ intervalMs: 600 }).nextInMs()).toBe(300)
    expect(stateOf({ intervalMs: 60_000 }).nextInMs()).toBe(500)
    const state = stateOf({ intervalMs: 1_000, jitter: 0.2 })
    state.onResult(GOOD)
    expect(state.nextInMs()).toBe(1_100)
  })
})
